#!/usr/bin/env node
// The installed command. Plain JavaScript that any Node can read, so that a Node too old for the rest is told so.
// In a checkout it runs the sources on the checkout's own Node; in an installed package, the build of them.
// It parses no arguments: those are for the command line behind it.
"use strict";

const { existsSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { dieWithNpm, silenceExperimentalWarnings, startLean } = require("./process.cjs");

const NODE_MIN = [22, 18];

const source = join(__dirname, "..", "src", "entry", "cli.ts");
if (existsSync(source)) {
  require("../tools/launcher.cjs").launch([source, ...process.argv.slice(2)]);
} else {
  runInstalled();
}

function runInstalled() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    process.stderr.write(
      `infinicache needs Node ${NODE_MIN.join(".")} or newer; this is ${process.version}.\n` +
        "Install a current Node (https://nodejs.org), or run: npx -p node@24 -p infinicache infinicache\n",
    );
    process.exit(1);
  }
  silenceExperimentalWarnings();
  startLean(process.argv[2]);
  dieWithNpm();
  import(pathToFileURL(join(__dirname, "..", "dist", "entry", "cli.js")).href).catch((error) => {
    process.stderr.write(`infinicache cannot start: ${error?.stack ?? error}\n`);
    process.exit(1);
  });
}
