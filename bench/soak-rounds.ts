// `npm run soak -- rounds`: what backup rounds move and bill with functions held to 78 MB/s, and the bars for it.

import { formatTable } from "../src/cli/terminal.ts";
import { formatBytes } from "../src/cli/units.ts";
import {
  type RoundFigures,
  roundOfOneChange,
  roundsWithoutChange,
} from "../test/support/soak/rounds.ts";

/** A round for one changed megabyte may move a fifth more. */
const MOVED_BYTES_MAX = 1_200_000;
const CHANGED_MS_MAX = 150;
const UNCHANGED_MS_MAX = 20;
const TIMES = 5;
const UNCHANGED_ROUNDS = 60;

/** Runs them; the bars that were missed, in words. */
export async function soakRounds(): Promise<string[]> {
  const missed: string[] = [];
  const rows: string[][] = [];
  const judge = (name: string, figures: RoundFigures, bytesMax: number, msMax: number): void => {
    const { rounds, movedBytes, invocations, msPerSide } = figures;
    const ms = `${msPerSide.toFixed(1)} ms`;
    rows.push([name, String(rounds), formatBytes(movedBytes), String(invocations), ms]);
    if (movedBytes > bytesMax)
      missed.push(`${name}: ${movedBytes} bytes moved, at most ${bytesMax}`);
    if (msPerSide > msMax) missed.push(`${name}: ${ms} billed a side, at most ${msMax} ms`);
  };
  for (let time = 0; time < TIMES; time++)
    judge("1 of 100 MB changed", await roundOfOneChange(), MOVED_BYTES_MAX, CHANGED_MS_MAX);
  judge("nothing changed", await roundsWithoutChange(UNCHANGED_ROUNDS), 0, UNCHANGED_MS_MAX);
  console.log(
    formatTable(["", "rounds", "moved", "invocations", "billed a side"], rows, [1, 2, 3, 4]),
  );
  return missed;
}
