// What concerns no single key, asked of every proxy that shares the keys: listings merged in order, prefixes cleared,
// states collected. With one proxy, and no document, it is a plain question. It routes nothing.

import { CacheError } from "../core/errors.ts";
import type { ProxyStatus } from "../core/status.ts";
import { compareUtf8 } from "../core/utf8-order.ts";
import type { Message } from "../wire/messages.ts";
import type { CallOptions } from "./api.ts";
import type { Proxies } from "./proxies.ts";
import { readListing, readStatus, type StoredRow } from "./replies.ts";
import type { Target } from "./run.ts";
import type { RunHow, Runner } from "./runner.ts";
import { PingOperation } from "./simple-operation.ts";

/** Rows asked for in one page of a listing. */
const LIST_ROWS_MAX = 1_000;
/** How often a prefix is cleared anew because the ring has changed meanwhile. */
const ROUNDS_MAX = 8;

/** The states of proxies that share the keys. */
export interface RingReport {
  readonly epoch: number;
  readonly proxies: readonly (
    | { readonly id: string; readonly status: ProxyStatus }
    | { readonly id: string; readonly error: string }
  )[];
}

/** How a ping is run. */
export const PING: RunHow = {
  name: "ping",
  target: null,
  deadlineFrom: "start",
  usesCallersMemory: false,
};

/** All rows with the prefix after `after`, in the order of their keys' bytes. */
export async function* listEverywhere(
  runner: Runner,
  proxies: Proxies,
  options: CallOptions,
  prefix: string,
  after: string,
): AsyncGenerator<StoredRow, void, undefined> {
  await learn(runner, proxies, options);
  const pages = proxies.everyone.map(({ target }) =>
    pagesOf(runner, options, prefix, after, target),
  );
  const heads: { rows: AsyncGenerator<StoredRow>; row: StoredRow }[] = [];
  for (const rows of pages) {
    const first = await rows.next();
    if (first.done !== true) heads.push({ rows, row: first.value });
  }
  let last: string | null = null;
  for (;;) {
    let least = heads[0];
    if (least === undefined) return;
    for (const head of heads) if (compareUtf8(head.row.key, least.row.key) < 0) least = head;
    const { row } = least;
    const next = await least.rows.next();
    if (next.done === true) heads.splice(heads.indexOf(least), 1);
    else least.row = next.value;
    // A key that moves while it is being listed may be met twice.
    if (row.key !== last) yield row;
    last = row.key;
  }
}

/** Deletes what has the prefix, at every proxy; how many. */
export async function clearEverywhere(
  runner: Runner,
  proxies: Proxies,
  options: CallOptions,
  request: Extract<Message, { readonly kind: "clear" }>,
): Promise<number> {
  await learn(runner, proxies, options);
  let count = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const { membership } = proxies;
    const counts = await Promise.all(
      proxies.everyone.map(({ target }) =>
        runner.ask("clear", options, request, () => readCleared, target),
      ),
    );
    // Asked again, a proxy answers what it answered before.
    count = Math.max(
      count,
      counts.reduce((sum, each) => sum + each, 0),
    );
    if (membership === proxies.membership) return count;
  }
  throw new CacheError("ICACHE_OVERLOADED", "the ring changed again and again; try again later");
}

/** The state of the one proxy; of several, what each says or why it says nothing. */
export async function statusEverywhere(
  runner: Runner,
  proxies: Proxies,
  options: CallOptions,
): Promise<unknown> {
  const ask = (target: Target): Promise<unknown> =>
    runner.ask("status", options, { kind: "status" }, readStatus, target);
  await learn(runner, proxies, options);
  const asked = proxies.everyone;
  const [only] = asked;
  if (only !== undefined && asked.length === 1) return ask(only.target);
  const answers = await Promise.allSettled(asked.map(({ target }) => ask(target)));
  const rows = answers.map((answer, at) => {
    const id = asked[at]?.id ?? "";
    if (answer.status === "fulfilled") return { id, status: answer.value };
    return { id, error: answer.reason instanceof Error ? answer.reason.message : "no answer" };
  });
  return { epoch: proxies.membership?.epoch ?? 0, proxies: rows };
}

/** Before everybody can be asked, the first proxy must have said who that is: its document comes before a pong. */
async function learn(runner: Runner, proxies: Proxies, options: CallOptions): Promise<void> {
  if (proxies.membership !== null || proxies.isAlone) return;
  await runner.run<number>(PING, options, (host) => new PingOperation(host));
}

async function* pagesOf(
  runner: Runner,
  options: CallOptions,
  prefix: string,
  from: string,
  target: Target,
): AsyncGenerator<StoredRow, void, undefined> {
  let after = from;
  for (;;) {
    const request: Message = { kind: "list", prefix, after, limit: LIST_ROWS_MAX };
    const page = await runner.ask("list", options, request, () => readListing, target);
    yield* page.rows;
    const last = page.rows.at(-1);
    if (page.isLast || last === undefined) return;
    after = last.key;
  }
}

function readCleared(message: Message) {
  if (message.kind !== "cleared") return { kind: "unexpected" } as const;
  return { kind: "result", result: message.count } as const;
}
