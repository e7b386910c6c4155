// `demo`: shows on real bytes and real processes that an object outlives the functions that hold it, what that
// takes, and what it would cost. With --stay it goes on serving. It claims nothing that it has not just done.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatCode } from "../../core/code.ts";
import { SystemRandom } from "../../host/system-random.ts";
import type { RunningPool } from "../composition.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import {
  areEqual,
  fetchFile,
  killHolders,
  makeFile,
  storeFile,
  waitForRepair,
} from "../demo-steps.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";
import { fitMemory } from "../fit-memory.ts";
import { pasteLines } from "../paste-lines.ts";
import { leaveNote, runFolder } from "../run-files.ts";
import { later, poolOptions, serveUntilStopped } from "../serving.ts";
import { starting } from "../starting.ts";
import { costTable, statusLines } from "../status-report.ts";
import { ownToken } from "../tokens-file.ts";
import { formatBytes, formatMs, formatRate, parseBytes } from "../units.ts";

const KEY = "demo/file";
/** What is killed when the code has no parity: nothing could be got back. */
const KILLED_MIN = 1;

/** Runs the demo; with --stay serves until a signal. */
export async function run(
  context: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const { settings, composition, terminal, clock, environment } = context;
  const bytes = parseBytes(String(options["size"]));
  if (bytes === null || bytes < 1)
    throw new CommandError("usage", "--size: must be a size such as 100MB");
  const isStaying = options["stay"] === true;
  const { memoryMb, note } = fitMemory(settings, process.availableMemory());
  if (note !== null) terminal.note(note);
  const { seed, reclaim, freeze } = settings;
  // Whoever only looks should not be stopped by a port that is taken.
  const port = isStaying ? settings.port : 0;
  const startedAt = clock.now();
  const shape = { ...poolOptions(settings, memoryMb), port, seed, reclaim, freeze };
  const pool = await starting(context, (onGreeting) =>
    composition.startLocal({ ...shape, onGreeting }),
  );
  tell(
    context,
    "start",
    `${settings.nodes} functions of ${memoryMb} MB, each a process of its own`,
    clock.now() - startedAt,
  );
  const forget = isStaying
    ? leaveNote(runFolder(environment), {
        command: "up",
        pool: settings.pool,
        addresses: pool.addresses,
      })
    : () => {};
  try {
    const exit = await show(context, pool, bytes);
    if (exit !== "ok" || !isStaying) {
      await pool.close();
      return exit;
    }
    terminal.note(`\n${terminal.bold("It goes on serving. Paste into another terminal:")}`);
    for (const line of pasteLines(pool.addresses, "photo", "photo.jpg")) terminal.note(`  ${line}`);
    terminal.note("Ctrl-C stops everything.");
    return await serveUntilStopped(context, pool);
  } catch (error) {
    await pool.close();
    throw error;
  } finally {
    forget();
  }
}

async function show(context: CommandContext, pool: RunningPool, bytes: number): Promise<ExitName> {
  const { clock, terminal, signal } = context;
  const folder = await mkdtemp(join(tmpdir(), "infinicache-demo-"));
  const cache = await context.composition.connect(
    pool.addresses.client,
    ownToken(context.settings),
  );
  const timed = async <Result>(act: () => Promise<Result>): Promise<readonly [Result, number]> => {
    const startedAt = clock.now();
    const result = await act();
    return [result, clock.now() - startedAt];
  };
  try {
    const [original] = await timed(() => makeFile(folder, bytes));
    const [stored, putMs] = await timed(() => storeFile(cache, KEY, original, signal));
    const code = formatCode(stored.code);
    const before = pool.status();
    const holders = before.nodes.rows.filter((row) => row.chunks > 0).length;
    tell(
      context,
      "put",
      `${formatBytes(bytes)} of random bytes as ${code}: chunks on ${holders} functions`,
      putMs,
      bytes,
    );
    const count = Math.max(KILLED_MIN, stored.code.parityChunks);
    const killed = await killHolders(pool.addresses.lambda, before, count, new SystemRandom());
    tell(
      context,
      "kill",
      `kill -9 of the functions ${killed.join(", ")}, and of every chunk they held`,
      null,
    );
    const [copy, getMs] = await timed(() => fetchFile(cache, KEY, folder, signal));
    tell(
      context,
      "get",
      "read back without them: missing chunks were computed from the others",
      getMs,
      bytes,
    );
    const isEqual = await areEqual(original, copy);
    const verdict = isEqual ? terminal.green("equal, byte for byte") : terminal.red("DIFFERENT");
    tell(context, "cmp", `original and copy are ${verdict}`, null);
    const repaired = await waitForRepair(
      () => pool.status(),
      clock,
      (ms) => later(clock, ms),
    );
    if (repaired > 0)
      tell(
        context,
        "repair",
        `${repaired} ${repaired === 1 ? "chunk was" : "chunks were"} stored anew on other functions`,
        null,
      );
    const [again, againMs] = await timed(() => fetchFile(cache, KEY, folder, signal));
    const isStillEqual = await areEqual(original, again);
    tell(
      context,
      "get",
      `once more, ${isStillEqual ? "equal" : terminal.red("DIFFERENT")}`,
      againMs,
      bytes,
    );
    const status = pool.status();
    summarise(context, status);
    if (terminal.isJson) {
      const { cost } = status;
      terminal.out(
        JSON.stringify({ bytes, code, putMs, getMs, againMs, killed, repaired, isEqual, cost }),
      );
    }
    return isEqual && isStillEqual ? "ok" : "different";
  } finally {
    await cache.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function summarise({ terminal }: CommandContext, status: ReturnType<RunningPool["status"]>): void {
  terminal.note("");
  for (const line of statusLines(status)) terminal.note(line);
  terminal.note(`\n${costTable(status)}`);
  terminal.note(
    terminal.dim(
      "The functions are real processes that freeze between invocations, on a local stand-in for AWS Lambda; times are of\n" +
        "this machine. The money is what AWS would charge for these invocations, from the billed times that were reported.",
    ),
  );
}

function tell(
  { terminal }: CommandContext,
  verb: string,
  text: string,
  ms: number | null,
  bytes = 0,
): void {
  const rate = ms === null || bytes === 0 ? "" : ` (${formatRate(bytes, ms)})`;
  const time = ms === null ? "" : `  ${terminal.dim(`${formatMs(ms)}${rate}`)}`;
  terminal.note(`${terminal.bold(verb.padEnd(7))} ${text}${time}`);
}
