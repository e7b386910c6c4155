// The judges of a simulated world, one for each promise but that about bytes and registers (history.ts). They look and
// never touch; each fault they find is a sentence.

import { chunkCost } from "../core/chunk-cost.ts";
import { chunkLength, layoutOfStripes, stripeLength } from "../core/layout.ts";
import type { LedgerReport } from "../core/ledger.ts";
import { FUNCTION_TIMEOUT_MS } from "../core/limits.ts";
import type { InvokeOutcome, StoredObject } from "../core/ports.ts";
import { billedMs, type PriceTable } from "../core/prices.ts";
import type { ProxyStatus } from "../core/status.ts";
import { isIntact } from "../runtime/intact.ts";
import type { Instance, Invocation } from "./provider.ts";
import type { Scenario } from "./scenario.ts";

interface PlacedChunk {
  readonly stripe: number;
  readonly index: number;
  readonly bytes: number;
  readonly node: number;
  /** Empty: stored nowhere. */
  readonly instance: string;
}

/** Every chunk of an object with the place the table has for it. */
function chunksOf(object: StoredObject): PlacedChunk[] {
  const count = object.dataChunks + object.parityChunks;
  const layout = layoutOfStripes(object.stripeCount, object.stripeBytes, object.lastStripeBytes);
  return object.places.map(({ node, instance }, at) => {
    const stripe = Math.floor(at / count);
    const index = at % count;
    return {
      stripe,
      index,
      bytes: chunkLength(stripeLength(layout, stripe), object.dataChunks, index),
      node,
      instance,
    };
  });
}

/** What an instance really holds, by version, stripe and index. */
function contentsOf(instance: Instance): Set<string> {
  const contents = new Set<string>();
  for (const { version, stripe, index } of instance.core.store.chunks())
    contents.add(`${version}.${stripe}.${index}`);
  return contents;
}

/**
 * A version is being written down: each stripe has at least `chunksMin` chunks, all on distinct nodes, and what is new in
 * it is on its instance, if that lives. `before`: the same version as it was written down last, or null. A chunk that
 * stood there already may have been dropped since, with the news of it still on its way to the proxy.
 */
export function judgeCommit(
  object: StoredObject,
  before: StoredObject | null,
  instances: readonly Instance[],
  chunksMin: number,
): string[] {
  const faults: string[] = [];
  const { key, version, stripeCount } = object;
  const chunks = chunksOf(object);
  for (let stripe = 0; stripe < stripeCount; stripe++) {
    const stored = chunks.filter((chunk) => chunk.stripe === stripe && chunk.instance !== "");
    const nodes = new Set(stored.map(({ node }) => node));
    if (nodes.size !== stored.length)
      faults.push(`two chunks of stripe ${stripe} of ${key} version ${version} on one node`);
    if (stored.length < chunksMin)
      faults.push(
        `stripe ${stripe} of ${key} version ${version} has ${stored.length} chunks, and ${chunksMin} are promised`,
      );
  }
  const isNew = (at: number): boolean =>
    before?.places[at]?.instance !== object.places[at]?.instance;
  return [...faults, ...judgePlaces([object], instances, "at its commit", isNew)];
}

/** What the table says is stored on an instance that lives is there; of each object only the places that count. */
export function judgePlaces(
  objects: Iterable<StoredObject>,
  instances: readonly Instance[],
  when: string,
  counts: (at: number) => boolean = () => true,
): string[] {
  const faults: string[] = [];
  const contents = new Map(
    instances.map((instance) => [instance.core.instance, contentsOf(instance)]),
  );
  for (const object of objects) {
    for (const [at, { stripe, index, node, instance }] of chunksOf(object).entries()) {
      const held = contents.get(instance);
      if (!counts(at) || held === undefined || held.has(`${object.version}.${stripe}.${index}`))
        continue;
      faults.push(
        `chunk ${stripe}.${index} of ${object.key} version ${object.version} is not on node ${node} ${when}`,
      );
    }
  }
  return faults;
}

/** What instances hold is what they were given, unless a fault has written into it. */
export function judgeContents(instances: readonly Instance[]): string[] {
  const faults: string[] = [];
  for (const { node, core, spoilt } of instances) {
    for (const chunk of core.store.chunks()) {
      if (spoilt.has(chunk.bytes) || isIntact(chunk, core.generation ?? 0)) continue;
      const { version, stripe, index } = chunk;
      faults.push(
        `chunk ${stripe}.${index} of version ${version} on node ${node} is not what came`,
      );
    }
  }
  return faults;
}

/** Where no fault damages bytes nobody finds any damaged. */
export function judgeDamage(
  { corruptChunks }: ProxyStatus["counters"],
  { flipProbability, faults }: Scenario,
): string[] {
  const isDamaging = flipProbability > 0 || faults.some(({ kind }) => kind === "corrupt chunk");
  if (isDamaging || corruptChunks === 0) return [];
  return [`${corruptChunks} chunks were damaged, and no fault had done it`];
}

/** Of a living replica the accounts say no more than it holds. */
export function judgeCopies(
  copies: Iterable<{ readonly replica: string; readonly name: string }>,
  instances: readonly Instance[],
): string[] {
  const contents = new Map(
    instances.map((instance) => [instance.core.instance, contentsOf(instance)]),
  );
  return [...copies]
    .filter(({ replica, name }) => contents.get(replica)?.has(name) === false)
    .map(({ replica, name }) => `replica ${replica} does not have its copy of chunk ${name}`);
}

/** Instances hold nothing that the table does not know. Those of which it knows nothing are left asleep, drops and all. */
export function judgeOrphans(
  objects: Iterable<StoredObject>,
  instances: readonly Instance[],
  status: ProxyStatus,
): string[] {
  const known = new Map<string, Set<string>>();
  for (const object of objects) {
    for (const { instance, stripe, index } of chunksOf(object)) {
      const names = known.get(instance) ?? new Set();
      known.set(instance, names.add(`${object.version}.${stripe}.${index}`));
    }
  }
  const primaries = new Set(status.nodes.rows.map(({ instance }) => instance));
  const faults: string[] = [];
  for (const instance of instances) {
    const names = known.get(instance.core.instance);
    if (names === undefined || !primaries.has(instance.core.instance)) continue;
    for (const name of contentsOf(instance)) {
      if (!names.has(name))
        faults.push(`node ${instance.node} holds ${name}, and the table does not know it`);
    }
  }
  return faults;
}

/**
 * No stripe lacks chunks any more of which d are within reach: on the primaries of their nodes. A place on another instance
 * is neither lost nor readable, for as long as that one may come back.
 */
export function judgeWhole(objects: Iterable<StoredObject>, status: ProxyStatus): string[] {
  const faults: string[] = [];
  const primaries = status.nodes.rows.map(({ instance }) => instance);
  for (const object of objects) {
    const chunks = chunksOf(object);
    for (let stripe = 0; stripe < object.stripeCount; stripe++) {
      const own = chunks.filter((chunk) => chunk.stripe === stripe);
      const missing = own.filter(({ instance }) => instance === "").length;
      const near = own.filter(({ node, instance }) => primaries[node] === instance).length;
      if (missing > 0 && near >= object.dataChunks)
        faults.push(
          `stripe ${stripe} of ${object.key} version ${object.version} still lacks ${missing} chunks after the calm`,
        );
    }
  }
  const { underWay } = status.repair;
  if (underWay > 0) faults.push(`${underWay} repairs do not end`);
  return faults;
}

/** The proxy's account of every node is the sum of what the table says: nothing is reserved for ever. */
export function judgeAccounts(objects: Iterable<StoredObject>, status: ProxyStatus): string[] {
  const used = new Map<number, number>();
  for (const object of objects) {
    for (const { node, bytes, instance } of chunksOf(object)) {
      if (instance !== "") used.set(node, (used.get(node) ?? 0) + chunkCost(bytes));
    }
  }
  return status.nodes.rows
    .filter(({ node, usedBytes }) => usedBytes !== (used.get(node) ?? 0))
    .map(
      ({ node, usedBytes }) =>
        `node ${node} is accounted with ${usedBytes} bytes, and the table has ${used.get(node) ?? 0} there`,
    );
}

/** Without trouble nothing is lost, and no function ever has an instance too many. */
export function judgeCalm(
  instancesMax: number,
  instancesStarted: number,
  { nodes, counters }: ProxyStatus,
): string[] {
  const faults: string[] = [];
  if (instancesStarted > instancesMax)
    faults.push(
      `${instancesStarted} instances were started for ${nodes.count} nodes, and none was reclaimed`,
    );
  if (counters.instancesLost > 0)
    faults.push(`${counters.instancesLost} instances were taken for lost, and none was`);
  return faults;
}

/** Adds up what the provider told the proxies it has billed, to be compared with their ledger. */
export class BillWitness {
  readonly #prices: PriceTable;
  #invocations = 0;
  #billedMs = 0;

  constructor(prices: PriceTable) {
    this.#prices = prices;
  }

  onOutcome(invocation: Invocation, outcome: InvokeOutcome, now: number): void {
    if (outcome.kind === "notStarted") return;
    this.#invocations++;
    const report = outcome.kind === "unknown" ? null : outcome.report;
    const waitedMs = Math.min(now - invocation.sentAt, FUNCTION_TIMEOUT_MS);
    this.#billedMs += report?.billedMs ?? billedMs(this.#prices, waitedMs, 0);
  }

  judge(ledger: LedgerReport): string[] {
    const { invocations, billedMs: booked } = ledger.total;
    if (invocations === this.#invocations && booked === this.#billedMs) return [];
    return [
      `the ledger has ${invocations} invocations and ${booked} ms, the provider told of ${this.#invocations} and ${this.#billedMs} ms`,
    ];
  }
}

/**
 * A proxy invokes a node although the primary, the instance whose store it counts on, still serves an invocation that it
 * began: then the provider must start another one. Right only while an unknown instance is held and the primary sought, and
 * for a backup, which wants another one.
 */
export function judgeInvoke(
  invocation: Invocation,
  instances: readonly Instance[],
  linkOf: () => {
    readonly state: string;
    readonly instance: string | null;
    readonly isInRound: boolean;
  },
): string[] {
  const { node, sender } = invocation;
  const busy = instances.filter(
    (each) =>
      each.node === node &&
      each.running?.invocation.sender === sender &&
      // Of two that run one Invoke nobody can know of the second, nor of the slower.
      !each.running.isRepeat &&
      // Stopped between its bye and its return, and the return will not be told: nobody can know that it is late.
      !(each.machine.isFrozen && each.running.invocation.isAnswerLost) &&
      !each.running.invocation.isAnswered,
  );
  // Of two that run one Invoke the proxy has sent the second away, and cannot know that it is not free yet.
  const isTwice = (each: Instance): boolean =>
    instances.some(
      (other) => other !== each && other.running?.invocation === each.running?.invocation,
    );
  if (busy.length === 0) return [];
  const { state, instance, isInRound } = linkOf();
  if (state === "awake" && isInRound) return [];
  const primary = busy.find(({ core }) => core.instance === instance);
  if (primary === undefined || isTwice(primary) || state === "searching") return [];
  return [
    `node ${node} is invoked in state ${state} while its primary, ${primary.machine.name}, still serves an earlier invocation`,
  ];
}
