// `proxy`: the proxy with its doors, and its functions at a Lambda service elsewhere, which it deploys first.
// With --state it may be killed and started again: the objects are still there.

import type { CommandContext } from "../context.ts";
import { CommandError, type ExitName, isNetworkError } from "../exit-codes.ts";
import { pasteLines } from "../paste-lines.ts";
import { leaveNote, runFolder } from "../run-files.ts";
import { poolOptions, serveUntilStopped } from "../serving.ts";
import { starting } from "../starting.ts";
import { WORKER_VARIABLE } from "../workers.ts";

/** Deploys what is missing, starts the proxy, and serves until a signal. */
export async function run(outer: CommandContext): Promise<ExitName> {
  const isWorker = outer.environment[WORKER_VARIABLE] !== undefined;
  const context = isWorker ? endingWithInput(outer) : outer;
  const { settings, terminal, composition, environment } = context;
  if (settings.lambda === "") {
    throw new CommandError(
      "usage",
      "name the Lambda service with --lambda URL (see `infinicache lambda-service`)",
    );
  }
  const options = poolOptions(settings, settings.memoryMb);
  const pool = await starting(context, (onGreeting) =>
    composition.startPool({ ...options, onGreeting }, settings.lambda),
  ).catch((error: unknown) => {
    throw isNetworkError(error) ? noService(settings.lambda, error) : error;
  });
  const { addresses } = pool;
  // Workers are stopped by who has started them.
  const forget = isWorker
    ? () => {}
    : leaveNote(runFolder(environment), {
        command: "proxy",
        pool: settings.pool,
        addresses,
      });
  if (pool.doubt !== null) terminal.note(`the earlier state was not used: ${pool.doubt}`);
  try {
    if (terminal.isJson) terminal.out(JSON.stringify({ ready: true, ...addresses }));
    else {
      terminal.out(`The proxy is up with ${settings.nodes} functions at ${settings.lambda}.\n`);
      for (const line of pasteLines(addresses, "photo", "photo.jpg")) terminal.out(`  ${line}`);
      if (settings.state === "none") {
        terminal.out("\nWithout --state DIR everything is forgotten when it ends.");
      }
    }
    return await serveUntilStopped(context, pool);
  } finally {
    forget();
  }
}

function endingWithInput(context: CommandContext): CommandContext {
  const ended = new AbortController();
  context.stdin.once("close", () => ended.abort());
  context.stdin.once("end", () => ended.abort());
  context.stdin.resume();
  return { ...context, signal: AbortSignal.any([context.signal, ended.signal]) };
}

function noService(url: string, cause: Error): CommandError {
  return new CommandError(
    "unreachable",
    `no Lambda service answers at ${url} (${cause.message})\nstart one with \`infinicache lambda-service\`, or name its address with --lambda`,
    { cause },
  );
}
