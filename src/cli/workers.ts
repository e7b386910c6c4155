// Several proxies on one host, to use its cores: a process for each, with pools of their own, and a ring over them.
// One that ends is started again with its state. They end when this process does: each watches its standard input.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isSameMembership, type Membership, VIRTUAL_NODES_DEFAULT } from "../core/membership.ts";
import { readMembership } from "../host/ring-file.ts";
import type { Addresses } from "./composition.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, EXIT_CODES } from "./exit-codes.ts";
import { runFolder } from "./run-files.ts";
import { later } from "./serving.ts";
import { POOL_SETTINGS } from "./setting-groups.ts";
import { environmentName, settingOf } from "./settings.ts";

/** Tells a proxy that it is one of several and ends with its standard input. */
export const WORKER_VARIABLE = "INFINICACHE_WORKER";
/** Each worker has this many ports in a row; the Lambda service has the fifth of the first. */
const PORTS_EACH = 5;
/** A worker that has ended is started again after this, and after as many failures in a row no more. */
const RESTART_MS = 500;
const RESTARTS_MAX = 20;

/** Workers that run. */
export interface RunningWorkers {
  /** The addresses of each; any serves every key. */
  readonly addresses: readonly Addresses[];
  close(): Promise<void>;
}

/** Starts the workers with their functions at `lambdaUrl`; ready when all are. */
export async function startWorkers(
  context: CommandContext,
  lambdaUrl: string,
  memoryMb: number,
): Promise<RunningWorkers> {
  const { workers, port, ring } = context.settings;
  if (port === 0)
    throw new CommandError("usage", "--workers needs ports that are known: give --port");
  if (ring !== "none")
    throw new CommandError("usage", "--workers makes a ring of its own: leave out --ring");
  const ringFile = publishRing(context);
  const running = Array.from(
    { length: workers },
    (_, at) => new Worker(context, argumentsOf(context, at, lambdaUrl, memoryMb, ringFile)),
  );
  const close = async (): Promise<void> => {
    await Promise.all(running.map((worker) => worker.close()));
  };
  try {
    return { addresses: await Promise.all(running.map((worker) => worker.start())), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Writes the document: with the number after the last one's, if the workers have changed since. */
function publishRing({ settings, environment }: CommandContext): string {
  const { state, workers, pool, host, port } = settings;
  const folder = state === "none" ? runFolder(environment) : state;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, state === "none" ? `ring-${process.pid}.json` : "ring.json");
  const last = existsSync(path) ? readMembership(path) : null;
  const members = Array.from({ length: workers }, (_, at) => ({
    id: `${pool}-w${at}`,
    address: `${host}:${port + PORTS_EACH * at}`,
    weight: 1,
  }));
  const next: Membership = {
    epoch: last?.epoch ?? 1,
    members,
    virtualNodes: VIRTUAL_NODES_DEFAULT,
  };
  if (last !== null && isSameMembership(last, next)) return path;
  const document = last === null ? next : { ...next, epoch: last.epoch + 1 };
  writeFileSync(`${path}.new`, `${JSON.stringify(document, null, 2)}\n`);
  renameSync(`${path}.new`, path);
  return path;
}

function argumentsOf(
  { settings }: CommandContext,
  at: number,
  lambdaUrl: string,
  memoryMb: number,
  ringFile: string,
): string[] {
  const { pool, port, nodes, workers, state } = settings;
  const own = {
    ...settings,
    pool: `${pool}-w${at}`,
    port: port + PORTS_EACH * at,
    nodes: Math.floor(nodes / workers),
    memoryMb,
    state: state === "none" ? state : join(state, `worker-${at}`),
    ring: ringFile,
    lambda: lambdaUrl,
  };
  return [...POOL_SETTINGS, "lambda" as const].flatMap((name) => {
    const { flag, isSecret, kind } = settingOf(name);
    return isSecret === true ? [] : [`--${flag}=${own[name]}${kind === "duration" ? "ms" : ""}`];
  });
}

/** One process, started again when it ends. */
class Worker {
  readonly #context: CommandContext;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  #failures = 0;
  #isClosed = false;

  constructor(context: CommandContext, args: readonly string[]) {
    this.#context = context;
    this.#args = args;
  }

  /** Rejects when it ends before it is ready. */
  start(): Promise<Addresses> {
    const { environment, settings } = this.#context;
    const command = [...process.execArgv, process.argv[1] ?? "", "proxy", "--json", ...this.#args];
    const child = spawn(process.execPath, command, {
      // A group of its own: what is typed at the terminal reaches this process, which ends the workers in order.
      detached: true,
      stdio: ["pipe", "pipe", "inherit"],
      env: {
        ...environment,
        [WORKER_VARIABLE]: "1",
        [environmentName("secret")]: settings.secret,
        [environmentName("token")]: settings.token,
      },
    });
    this.#child = child;
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => {
        this.#child = null;
        reject(new CommandError("refused", "a worker did not start; it has said why above"));
        // Started again it would take the pool from the proxy that has it now, and that one would come back, too.
        if (code === EXIT_CODES.superseded.code) return;
        if (!this.#isClosed && this.#failures > 0) void this.#startAgain();
      });
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (!line.includes('"ready":true')) return;
        // A failure after this is the first one.
        this.#failures = 1;
        resolve(JSON.parse(line));
      });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const child = this.#child;
    if (child === null) return;
    await new Promise<void>((ended) => {
      child.once("exit", () => ended());
      child.stdin?.end();
    });
  }

  async #startAgain(): Promise<void> {
    const { terminal, clock } = this.#context;
    if (this.#failures > RESTARTS_MAX) {
      terminal.note(`a worker ended ${RESTARTS_MAX} times in a row; its keys stay out of reach`);
      return;
    }
    terminal.note("a worker ended; it is started again");
    this.#failures += 1;
    await later(clock, RESTART_MS);
    // Its own exit starts it once more.
    if (!this.#isClosed) await this.start().catch(() => {});
  }
}
