// The command's process: signals, streams and exit code around the program of src/cli, and the roots it may load.
// Every root is loaded only when a command asks for it. It is the edge where broken invariants end the process.

import type { Composition } from "../cli/composition.ts";
import { EXIT_CODES } from "../cli/exit-codes.ts";
import { runProgram } from "../cli/program.ts";
import { SystemClock } from "../host/system-clock.ts";
import { packageVersion } from "./version.ts";

/** A person waits for the answer: a proxy that is there accepts at once, one that restarts soon. */
const UNREACHABLE_MS = 2_000;

const composition: Composition = {
  connect: async (url, token) =>
    (await import("./library.ts")).connect({ url, token, unreachableMs: UNREACHABLE_MS }),
  startLambda: async (options) => (await import("./local.ts")).startLambda(options),
  startPool: async (options, lambdaUrl) =>
    (await import("./local.ts")).startPool(options, lambdaUrl),
  startLocal: async (options) => (await import("./local.ts")).startLocal(options),
};

/** Runs the command of this process's arguments and ends the process with its exit code. */
export async function runCommand(): Promise<never> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      // The second time somebody means it.
      if (stop.signal.aborted) process.exit(EXIT_CODES.interrupted.code);
      stop.abort();
    });
  }
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever read our output has had enough, as in `infinicache ls | head`.
    if (error.code === "EPIPE") process.exit(EXIT_CODES.ok.code);
    fail(error);
  });

  const code = await runProgram(process.argv.slice(2), {
    composition,
    clock: new SystemClock(),
    version: packageVersion(),
    environment: process.env,
    folder: process.cwd(),
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
  });
  process.exit(code);
}

function fail(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`infinicache: a fault of ours, please report it:\n${text}\n`);
  process.exit(EXIT_CODES.internal.code);
}
