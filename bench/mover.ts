// A process that moves objects, started by movers.ts: some clients, each with a connection of its own and one operation
// at a time, until it is told to stop. Every byte that comes back is compared. It talks to whoever started it by messages.

import { type Cache, connect } from "../src/entry/library.ts";
import { makeBytes } from "../test/e2e/support/bytes.ts";
import type { MoverPlan, MoverReport } from "./movers.ts";

/** Bodies of different keys are the same bytes from different places on, so that one object's are not another's. */
const STEP_BYTES = 4_096;
const SEED = 77;
const VIEW_BYTES = 1_048_576;

const plan = JSON.parse(process.argv[2] ?? "") as MoverPlan;
const source = makeBytes(SEED, plan.bytes + (plan.keys + 1) * STEP_BYTES);
const report = { putMs: [] as number[], getMs: [] as number[], wrong: 0, errors: [] as string[] };
let isOver = false;
let isWaiting = true;

process.on("message", (word) => {
  if (word === "stop") isOver = true;
  if (word === "go" && isWaiting) {
    isWaiting = false;
    void run();
  }
});
process.on("disconnect", () => process.exit(1));
// Fresh memory is touched before anything is measured.
const memories = Array.from({ length: plan.clients }, () => {
  if (plan.how === "stream" || plan.op === "put" || plan.op === "fill") return null;
  return new Uint8Array(plan.bytes).fill(1);
});
process.send?.("ready");

async function run(): Promise<void> {
  const clients = Array.from({ length: plan.clients }, (_, at) => work(at));
  await Promise.all(clients);
  const answer: MoverReport = { ...report, bytes: plan.bytes };
  process.send?.(answer, () => process.exit(0));
}

async function work(at: number): Promise<void> {
  const cache = connect({ url: plan.url });
  const memory = memories[at] ?? null;
  try {
    if (plan.op === "fill") {
      for (let key = at; key < plan.keys; key += plan.clients) await put(cache, key);
      return;
    }
    for (let turn = 0; !isOver; turn++) {
      const key = (plan.firstKey + at + turn * plan.clients) % plan.keys;
      if (plan.op === "put" || (plan.op === "mix" && (at + turn) % 2 === 0)) await put(cache, key);
      else await get(cache, key, memory);
    }
  } catch (error) {
    report.errors.push(error instanceof Error ? error.message : String(error));
  } finally {
    await cache.close();
  }
}

async function put(cache: Cache, key: number): Promise<void> {
  const body = bodyOf(key);
  const startedAt = performance.now();
  const name = `${plan.prefix}${key}`;
  if (plan.how === "memory") await cache.put(name, body, { deadlineMs: plan.deadlineMs });
  else await cache.put(name, views(body), { length: body.length, deadlineMs: plan.deadlineMs });
  report.putMs.push(performance.now() - startedAt);
}

async function get(cache: Cache, key: number, memory: Uint8Array | null): Promise<void> {
  const body = bodyOf(key);
  const name = `${plan.prefix}${key}`;
  const options = { deadlineMs: plan.deadlineMs };
  const startedAt = performance.now();
  if (memory !== null) {
    const found = await cache.getInto(name, memory, options);
    report.getMs.push(performance.now() - startedAt);
    if (found.kind === "miss") report.errors.push(`${name} was ${found.reason}`);
    else if (found.bytes !== body.length || Buffer.compare(memory, body) !== 0) report.wrong++;
    return;
  }
  const found = await cache.getStream(name, options);
  if (found.kind === "miss") {
    report.errors.push(`${name} was ${found.reason}`);
    return;
  }
  let from = 0;
  let isRight = true;
  for await (const part of found.body) {
    isRight &&= Buffer.compare(part, body.subarray(from, from + part.length)) === 0;
    from += part.length;
  }
  report.getMs.push(performance.now() - startedAt);
  if (!isRight || from !== body.length) report.wrong++;
}

function bodyOf(key: number): Uint8Array {
  return source.subarray(key * STEP_BYTES, key * STEP_BYTES + plan.bytes);
}

async function* views(body: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let from = 0; from < body.length; from += VIEW_BYTES)
    yield body.subarray(from, from + VIEW_BYTES);
}
