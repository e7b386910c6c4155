// Clients that move objects in processes of their own, so that what is measured beside them is the proxy and not the
// event loop that measures. Starts them, lets all go at once, stops them, and adds up what they report.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** What one process does. */
export interface MoverPlan {
  readonly url: string;
  readonly clients: number;
  /** `fill` puts every key once and ends; the others go on until they are stopped. */
  readonly op: "put" | "get" | "mix" | "fill";
  /** From and into memory, or streamed. */
  readonly how: "memory" | "stream";
  readonly bytes: number;
  readonly prefix: string;
  readonly keys: number;
  /** Where it begins among the keys. */
  readonly firstKey: number;
  readonly deadlineMs: number;
}

/** What one process, or all, came to. */
export interface MoverReport {
  readonly bytes: number;
  readonly putMs: readonly number[];
  readonly getMs: readonly number[];
  readonly wrong: number;
  readonly errors: readonly string[];
}

/** Processes at work. */
export interface Movers {
  /** Lets them end what is under way; all reports as one. */
  stop(): Promise<MoverReport>;
  kill(): void;
}

const MOVER = join(import.meta.dirname, "mover.ts");
const PLAN: MoverPlan = {
  ...{ url: "", clients: 1, op: "get", how: "memory", bytes: 0 },
  ...{ prefix: "object-", keys: 1, firstKey: 0, deadlineMs: 300_000 },
};

/** Starts one process per plan and lets them begin together. */
export async function startMovers(plans: readonly Partial<MoverPlan>[]): Promise<Movers> {
  const children = plans.map((plan) =>
    fork(MOVER, [JSON.stringify({ ...PLAN, ...plan })], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    }),
  );
  const kill = (): void => {
    for (const child of children) child.kill("SIGKILL");
  };
  try {
    await Promise.all(children.map((child) => answerOf(child)));
  } catch (error) {
    kill();
    throw error;
  }
  const reports = children.map((child) => answerOf(child) as Promise<MoverReport>);
  for (const report of reports) report.catch(() => {}); // Told by `stop`.
  for (const child of children) child.send("go");
  const stop = async (): Promise<MoverReport> => {
    for (const child of children) if (child.connected) child.send("stop");
    try {
      const all = await Promise.all(reports);
      return {
        bytes: all[0]?.bytes ?? 0,
        putMs: all.flatMap(({ putMs }) => putMs),
        getMs: all.flatMap(({ getMs }) => getMs),
        wrong: all.reduce((sum, { wrong }) => sum + wrong, 0),
        errors: all.flatMap(({ errors }) => errors),
      };
    } finally {
      kill();
    }
  };
  return { stop, kill };
}

/** Stores every key once. */
export async function fill(plan: Partial<MoverPlan>): Promise<void> {
  const movers = await startMovers([{ ...plan, op: "fill" }]);
  const { errors } = await movers.stop();
  if (errors.length > 0) throw new Error(`could not be stored: ${errors.join("; ")}`);
}

/** The next message of a process; an error when it ends instead. */
async function answerOf(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  const { signal } = ended;
  try {
    const [answer] = (await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(([code]) =>
        Promise.reject(new Error(`a client process ended with ${code}`)),
      ),
    ])) as [unknown];
    return answer;
  } finally {
    ended.abort();
  }
}
