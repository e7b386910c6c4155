// `down`: stops pools that were started on this machine, in order, and waits until their processes are gone. It
// touches only processes that left a note, and only while they are the very ones that did.

import type { CommandContext, CommandOptions } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { describeHolder, findPortHolder } from "../port-holder.ts";
import { isRunning, type RunNote, readNote, readNotes, runFolder } from "../run-files.ts";
import { later } from "../serving.ts";

/** An orderly end is bounded by 25 s in the process itself; then it is killed. */
const ORDERLY_MS_MAX = 30_000;
const KILLED_MS_MAX = 5_000;
const LOOK_EVERY_MS = 50;

/** Stops the pool at --port, or all. */
export async function run(
  context: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const { settings, terminal } = context;
  const folder = runFolder(context.environment);
  const single = options["all"] === true ? null : readNote(folder, settings.port);
  const notes = options["all"] === true ? readNotes(folder) : single === null ? [] : [single];
  const stopped: number[] = [];
  for (const note of notes) {
    const isOrderly = await stop(context, note);
    stopped.push(note.pid);
    const how = isOrderly ? "stopped" : "killed, since it did not end by itself";
    terminal.note(`${note.command} at ${note.addresses.client} (pid ${note.pid}): ${how}`);
  }
  if (terminal.isJson) terminal.out(JSON.stringify({ stopped }));
  if (stopped.length > 0) return "ok";
  const holder = options["all"] === true ? null : findPortHolder(settings.port);
  const other =
    holder === null ? "" : `; ${describeHolder(holder)} listens there, which is not ours`;
  const where = options["all"] === true ? "anywhere" : `at port ${settings.port}`;
  terminal.note(`infinicache: nothing of yours is running ${where}${other}`);
  return "absent";
}

/** True when it ended by itself. */
async function stop(context: CommandContext, note: RunNote): Promise<boolean> {
  process.kill(note.pid, "SIGTERM");
  if (await isGone(context, note, ORDERLY_MS_MAX)) return true;
  if (isRunning(note)) process.kill(note.pid, "SIGKILL");
  await isGone(context, note, KILLED_MS_MAX);
  return false;
}

async function isGone(
  { clock }: CommandContext,
  note: RunNote,
  withinMs: number,
): Promise<boolean> {
  const until = clock.now() + withinMs;
  while (isRunning(note)) {
    if (clock.now() > until) return false;
    await later(clock, LOOK_EVERY_MS);
  }
  return true;
}
