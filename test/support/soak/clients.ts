// The clients of a soak: starts them as processes of their own and writes what they tell into the history that the
// simulation's judge reads. Bodies have numbers (marks) of their own; the history numbers writes by their arrival here.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { History, type Mutation } from "../../../src/sim/history.ts";
import { judgeHistory } from "../../../src/sim/register.ts";
import { cleanEnvironment } from "../../e2e/support/processes.ts";
import type { ClientPlan, ClientRecord, Ended, Read } from "./records.ts";

/** How long a client may take to end once told. */
const END_MS_MAX = 30_000;

/** Clients at work. */
export class SoakClients {
  readonly history = new History();
  readonly reads: Read[] = [];
  /** Mutations that failed, in words. */
  readonly errors: string[] = [];
  /** Bytes that no PUT ever had, in words. */
  readonly wrong: string[] = [];
  readonly #children: ChildProcess[] = [];
  readonly #byMark = new Map<number, Mutation>();
  /** Clients that did not end when told. */
  stuck = 0;

  constructor(plans: readonly ClientPlan[]) {
    for (const plan of plans) {
      const child = fork(join(import.meta.dirname, "client.ts"), [JSON.stringify(plan)], {
        execArgv: ["--disable-warning=ExperimentalWarning"],
        env: cleanEnvironment(),
      });
      // The program is ours, and says nothing else.
      child.on("message", (record) => this.#take(record as ClientRecord));
      child.on("exit", (code) => {
        if (code !== 0) this.errors.push(`client ${plan.index} ended with ${code}`);
      });
      this.#children.push(child);
    }
  }

  /** PUTs and DELETEs that were acknowledged. */
  get mutations(): number {
    return this.#byMark.size;
  }

  /** Process ids. */
  get pids(): readonly number[] {
    return this.#children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Tells them to stop, and waits until their processes have ended by themselves. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const timer = setTimeout(() => {
          this.stuck++;
          child.kill("SIGKILL");
        }, END_MS_MAX);
        const exited = once(child, "exit");
        if (child.connected) child.send("stop");
        await exited;
        clearTimeout(timer);
      }),
    );
  }

  /** Ends them at once. */
  kill(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  /** Wrong bytes, and whatever no lossy linearizable register could have answered. */
  judge(): readonly string[] {
    return [...this.wrong, ...judgeHistory(this.history, false)];
  }

  #take(record: ClientRecord): void {
    if (record.kind === "begun") {
      const { verb, key, bytes, at } = record;
      const wish = { kind: verb, key, bytes, ttlMs: 0, ifAbsent: false };
      this.#byMark.set(record.mark, this.history.begin(wish, { at, wallAt: at }));
    } else if (record.kind === "ended") this.#end(record);
    else this.#read(record);
  }

  #end({ mark, at, error }: Ended): void {
    const mutation = this.#byMark.get(mark);
    if (mutation === undefined) return;
    if (error === null) this.history.end(mutation, null, { at, wallAt: at });
    else this.errors.push(`${mutation.kind} of ${mutation.key}: ${error}`);
  }

  #read(read: Read): void {
    this.reads.push(read);
    const { key, mark, bytes, begunAt, endedAt, why } = read;
    if (why !== null) return;
    const mutation = mark === null ? undefined : this.#byMark.get(mark);
    if (mutation === undefined) {
      this.wrong.push(`${key}: ${bytes} bytes came that nobody put (mark ${mark})`);
      return;
    }
    const sight = { how: "read", key, write: mutation.write, version: null, bytes } as const;
    const times = { begunAt, endedAt, wallBegunAt: begunAt, expiresAtMs: 0 };
    this.history.sightings.push({ ...sight, ...times });
  }
}
