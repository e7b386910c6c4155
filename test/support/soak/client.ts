// One client of a soak, as a process of its own: gets, puts and deletes objects at a steady pace, compares every byte
// that comes, and puts anew what it missed, as users of a cache do. It tells its parent all of it and judges nothing.
// It ends by itself when told to, or when its parent is gone; whatever it left open would keep it from that.

import { setTimeout as sleep } from "node:timers/promises";
import { CacheError, connect } from "../../../src/entry/library.ts";
import { markedBytes, markOf } from "../../e2e/support/bytes.ts";
import { type ClientPlan, type ClientRecord, MARKS_EACH, machineMs } from "./records.ts";

// Our parent wrote it.
const plan = JSON.parse(process.argv[2] ?? "") as ClientPlan;
const cache = connect({ url: plan.url, deadlineMs: plan.deadlineMs });
let isStopping = false;
let nextMark = (plan.index + 1) * MARKS_EACH;
process.on("message", () => {
  isStopping = true;
});
process.on("disconnect", () => {
  isStopping = true;
});

let nextAt = machineMs() + Math.random() * plan.paceMs;
while (!isStopping) {
  await sleep(Math.max(0, nextAt - machineMs()));
  // A call that takes longer than the pace delays those after it: a soak has as many calls under way as clients.
  nextAt = Math.max(nextAt + plan.paceMs, machineMs());
  const key = `key ${Math.floor(Math.random() * plan.keys)}`;
  const dice = Math.random();
  if (dice < plan.putShare) await mutate("put", key);
  else if (dice < plan.putShare + plan.deleteShare) await mutate("remove", key);
  else if (!(await get(key))) await mutate("put", key);
}
await cache.close();
if (process.connected) process.disconnect();

async function mutate(verb: "put" | "remove", key: string): Promise<void> {
  const mark = nextMark++;
  const body = verb === "put" ? markedBytes(mark, plan) : new Uint8Array(0);
  tell({ kind: "begun", mark, verb, key, bytes: body.length, at: machineMs() });
  let error: string | null = null;
  try {
    if (verb === "put") await cache.put(key, body);
    else await cache.delete(key);
  } catch (thrown) {
    error = describe(thrown);
  }
  tell({ kind: "ended", mark, at: machineMs(), error });
}

/** Whether the key need not be put anew. */
async function get(key: string): Promise<boolean> {
  const begunAt = machineMs();
  const read = { kind: "read", key, begunAt, mark: null, bytes: 0, reconstructed: 0 } as const;
  try {
    const got = await cache.get(key);
    const endedAt = machineMs();
    if (got.kind === "miss") {
      tell({ ...read, endedAt, why: got.reason });
      return got.reason === "unreachable";
    }
    const { reconstructed } = got.timings;
    const [mark, bytes] = [markOf(got.bytes, plan), got.bytes.length];
    tell({ ...read, endedAt, mark, bytes, reconstructed, why: null });
  } catch (thrown) {
    tell({ ...read, endedAt: machineMs(), why: `error: ${describe(thrown)}` });
  }
  return true;
}

function tell(record: ClientRecord): void {
  if (process.connected) process.send?.(record);
}

function describe(error: unknown): string {
  return error instanceof CacheError ? `${error.code}: ${error.message}` : String(error);
}
