// What the commands that serve have in common: options from settings, and the way from a signal to an orderly end.

import { type CodeRule, parseCode } from "../core/code.ts";
import type { Clock } from "../core/ports.ts";
import type { PoolOptions } from "./composition.ts";
import type { CommandContext } from "./context.ts";
import type { ExitName } from "./exit-codes.ts";
import type { Settings } from "./settings.ts";
import { ownToken, readTokens } from "./tokens-file.ts";

const MEGABYTE = 1_048_576;
/** Doors and proxy each wait up to 10 s for what is under way; beyond both, something hangs, and the process ends anyway. */
const CLOSE_MS_MAX = 25_000;
/** A proxy that has lost its pool answers for so long that it has. */
const SUPERSEDED_MS = 2_000;
/** The paper's billing cycle. */
const CYCLE_MS = 100;

/** The options of a pool as the settings say. */
export function poolOptions(settings: Settings, memoryMb: number): PoolOptions {
  const codeRules = codeRulesOf(settings);
  return {
    host: settings.host,
    port: settings.port,
    pool: settings.pool,
    nodes: settings.nodes,
    memoryMb,
    ...(codeRules === null ? {} : { codeRules }),
    stateDir: settings.state === "none" ? null : settings.state,
    ...(settings.ring === "none" ? {} : { ringFile: settings.ring }),
    secretHex: settings.secret,
    ...policyOf(settings),
    ...(settings.spread === "auto" ? {} : { spread: settings.spread }),
    warmUpIntervalMs: settings.warmUpIntervalMs,
    backupIntervalMs: settings.backupIntervalMs,
    backupSelection: settings.backupSelection,
    repairBytesPerSecond: settings.repairMbPerSecond * 1_024 * 1_024,
    repairDollarsPerHour: settings.repairDollarsPerHour,
    hotBytes: settings.hotBytes,
    transferBytes: settings.transferBytes,
    pricing: settings.pricing,
    ...(settings.advertise === "" ? {} : { advertise: settings.advertise }),
    ...originOf(settings),
    ...(settings.tokens === "none" ? {} : { access: readTokens(settings.tokens) }),
    peerToken: ownToken(settings),
  };
}

function originOf(settings: Settings): Pick<PoolOptions, "origin"> {
  const { origin: url, originMode: mode, originAbsentMs: absentMs } = settings;
  const { originEndpoint: endpoint } = settings;
  const journal = {
    folder: settings.originJournal,
    bytesMax: settings.originJournalMb * MEGABYTE,
  };
  return url === "none" ? {} : { origin: { url, endpoint, mode, absentMs, journal } };
}

/** Nothing: the proxy computes what is best at its prices. */
function policyOf(settings: Settings): Pick<PoolOptions, "policy"> {
  if (settings.billing === "cycle") return { policy: { kind: "cycle", cycleMs: CYCLE_MS } };
  const { lingerMs } = settings;
  return lingerMs === 0 ? {} : { policy: { kind: "linger", lingerMs } };
}

function codeRulesOf(settings: Settings): readonly CodeRule[] | null {
  const code = settings.code === "auto" ? null : parseCode(settings.code);
  // The configuration has refused what cannot be parsed.
  if (code === null || typeof code === "string") return null;
  return [{ bytesBelow: Number.POSITIVE_INFINITY, code }];
}

/** Waits for the signal to stop, or for the proxy to lose its pool, then closes in order. */
export async function serveUntilStopped(
  context: CommandContext,
  running: { readonly superseded?: Promise<string>; close(): Promise<void> },
): Promise<ExitName> {
  const { signal, terminal, clock } = context;
  const stopped = new Promise<null>((stop) => {
    if (signal.aborted) stop(null);
    signal.addEventListener("abort", () => stop(null), { once: true });
  });
  const reason = await Promise.race([stopped, running.superseded ?? stopped]);
  if (reason !== null) {
    terminal.note(`stopping: ${reason}`);
    terminal.note(
      "one proxy serves a pool: stop the other one, or give one of them another --pool",
    );
    // Who asks meanwhile is told why, and does not find a closed port without a word.
    await Promise.race([stopped, later(clock, SUPERSEDED_MS)]);
  } else terminal.note("stopping: finishing what is under way");
  const isClosed = await Promise.race([
    running.close().then(() => true),
    later(clock, CLOSE_MS_MAX),
  ]);
  if (isClosed === true) return reason === null ? "ok" : "superseded";
  terminal.note(`not everything ended within ${CLOSE_MS_MAX / 1_000} s; ending anyway`);
  return "internal";
}

/** Resolves after a while; the timer does not keep the process from ending. */
export function later(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(delayMs, resolve);
  });
}
