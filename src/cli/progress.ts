// Shows how far a long transfer is, on a terminal only, and how fast it went. It never slows the transfer:
// the line is drawn at most ten times a second, and not at all in the first half second.

import type { Clock } from "../core/ports.ts";
import type { Terminal } from "./terminal.ts";
import { formatBytes, formatMs, formatRate } from "./units.ts";

const DRAW_EVERY_MS = 100;
const QUIET_MS = 500;
const BAR_CELLS = 24;

/** The progress of one transfer. */
export interface Progress {
  /** More bytes have passed. */
  add(bytes: number): void;
  /** Takes the line away; the answer is how long it all took. */
  end(): number;
}

/** Begins to count. `total` null: not known. */
export function startProgress(
  terminal: Terminal,
  clock: Clock,
  label: string,
  total: number | null,
): Progress {
  const startedAt = clock.now();
  let done = 0;
  let drawnAt = startedAt + QUIET_MS;
  return {
    add(bytes) {
      done += bytes;
      const now = clock.now();
      if (now - drawnAt < DRAW_EVERY_MS || !terminal.isInteractive) return;
      drawnAt = now;
      terminal.progress(progressLine(label, done, total, now - startedAt));
    },
    end() {
      terminal.progress("");
      return clock.now() - startedAt;
    },
  };
}

/** One line: bar and rest of the time when the total is known, else bytes and rate. */
export function progressLine(
  label: string,
  done: number,
  total: number | null,
  ms: number,
): string {
  const rate = formatRate(done, ms);
  if (total === null || total === 0) return `${label}  ${formatBytes(done)}  ${rate}`;
  const share = Math.min(1, done / total);
  const cells = Math.round(share * BAR_CELLS);
  const bar = `${"█".repeat(cells)}${"░".repeat(BAR_CELLS - cells)}`;
  const restMs = done === 0 ? null : (ms * (total - done)) / done;
  const rest = restMs === null ? "" : `  ${formatMs(restMs)} left`;
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  return `${label}  ${bar} ${percent}  ${formatBytes(done)} of ${formatBytes(total)}  ${rate}${rest}`;
}
