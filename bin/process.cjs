// What the command does to its own process before the program starts: how much memory it takes, which warnings are shown,
// and with whom it dies.
// Plain JavaScript for any Node from 18 on; knows nothing of the program, and spawns nothing.
"use strict";

const { readFileSync } = require("node:fs");
const { setFlagsFromString } = require("node:v8");

const PARENT_CHECK_MS = 250;
/** The commands that move data for others, for days. */
const SERVERS = new Set(["proxy", "up"]);
const YOUNG_GENERATION = "--max-semi-space-size";
const YOUNG_GENERATION_MB = 4;
/** The old generation is collected when it has grown by half since the last time, not by up to three times. */
const OLD_GENERATION = "--heap-growing-percent=50";

/**
 * A proxy keeps its data in buffers, yet V8 lets the young generation of a busy one grow to 128 MB: with 32 clients half of
 * all its memory. That can be bounded at the start of a process only, so this one begins anew with the bound: the same
 * process id, parent and streams. Not where the bound was chosen already, nor where the system cannot do it.
 * The environment is named because Node 22 hands on none by default.
 */
function startLean(command) {
  if (!SERVERS.has(command)) return;
  const given = [...process.execArgv, process.env.NODE_OPTIONS ?? ""];
  const isChosen = given.some((each) => each.includes(YOUNG_GENERATION));
  if (isChosen || typeof process.execve !== "function") {
    // Of V8 alone: one that no longer knows it says so, and as an option of the command line it would end the process.
    setFlagsFromString(OLD_GENERATION);
    return;
  }
  const options = [...process.execArgv, `${YOUNG_GENERATION}=${YOUNG_GENERATION_MB}`];
  const args = [process.execPath, ...options, ...process.argv.slice(1)];
  process.execve(process.execPath, args, process.env);
}

/** Type stripping and node:sqlite announce themselves as experimental in some of the versions we support. */
function silenceExperimentalWarnings() {
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    const kind = typeof rest[0] === "object" && rest[0] !== null ? rest[0].type : rest[0];
    if (kind === "ExperimentalWarning") return;
    emitWarning.call(process, warning, ...rest);
  };
}

/**
 * Under npm or npx, whoever kills that means the command, too; and a shell of theirs may stand between.
 * The mark is removed so that a child of ours, which may be meant to outlive us, does not watch in turn.
 */
function dieWithNpm() {
  if (process.env.npm_command === undefined) return;
  delete process.env.npm_command;
  dieWithParent();
  const shell = process.ppid;
  if (nameOf(shell) === "sh") dieWhenChanged(() => parentOf(shell));
}

/** An orphan gets another parent. */
function dieWithParent() {
  dieWhenChanged(() => process.ppid);
}

/** The timer never keeps the process alive. */
function dieWhenChanged(read) {
  const first = read();
  const check = () => {
    if (read() !== first) process.kill(process.pid, "SIGKILL");
  };
  setInterval(check, PARENT_CHECK_MS).unref();
}

/** Of Linux only; elsewhere the shell that npm starts becomes the command itself. */
function nameOf(pid) {
  return /\((.*)\)/.exec(statOf(pid))?.[1];
}

function parentOf(pid) {
  return /\) \S (\d+) /.exec(statOf(pid))?.[1];
}

function statOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return "";
  }
}

module.exports = { dieWithNpm, dieWithParent, silenceExperimentalWarnings, startLean };
