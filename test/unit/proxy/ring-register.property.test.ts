// Three proxies, documents that reach them late or not at all, proxies that die and come back, clients with any document:
// a read never returns what was superseded before it began. Real duties; each proxy's table is a map.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Membership, RingNews } from "../../../src/core/membership.ts";
import type { RingMark } from "../../../src/core/ports.ts";
import { buildRing } from "../../../src/core/ring.ts";
import { RingDuty } from "../../../src/proxy/ring-duty.ts";
import { VirtualClock } from "./virtual-clock.ts";

const IDS = ["a", "b", "c"];
const KEYS = Array.from({ length: 3 }, (_, at) => `key-${at}`);

/** A proxy as the ring sees it. */
class RingProxy {
  readonly id: string;
  readonly #clock: VirtualClock;
  readonly #all: Map<string, RingProxy>;
  /** The document as this host's file has it. */
  file: Membership;
  table = new Map<string, number>();
  mark: RingMark | null = null;
  duty: RingDuty | null = null;
  #seen: Membership | null = null;

  constructor(id: string, clock: VirtualClock, all: Map<string, RingProxy>, file: Membership) {
    this.id = id;
    this.#clock = clock;
    this.#all = all;
    this.file = file;
  }

  start(): void {
    if (this.duty !== null) return;
    this.#seen = null;
    this.duty = new RingDuty({
      id: this.id,
      clock: this.#clock,
      read: () => this.#read(),
      askEpoch: (address, epoch, answer) =>
        void this.#clock.setTimer(2, () => answer(this.#askOther(address, epoch))),
    });
    this.duty.attach({
      mark: this.mark,
      record: (mark) => {
        this.mark = mark;
      },
      keepOnly: (isKept, mark) => {
        this.table = new Map([...this.table].filter(([key]) => isKept(key)));
        this.mark = mark;
      },
      announce: () => {},
    });
  }

  stop(): void {
    this.duty?.stop();
    this.duty = null;
  }

  #read(): RingNews {
    if (this.#seen === this.file) return { kind: "unchanged" };
    this.#seen = this.file;
    return { kind: "document", membership: this.file };
  }

  #askOther(address: string, epoch: number): number | null {
    const other = [...this.#all.values()].find(({ id }) => address === `${id}:1`)?.duty ?? null;
    if (other !== null && epoch > other.epoch) other.refresh();
    return other?.epoch ?? null;
  }
}

const anyCall = fc.record({
  kind: fc.constantFrom("put" as const, "get" as const),
  key: fc.integer({ min: 0, max: KEYS.length - 1 }),
  /** How many documents the client is behind. */
  back: fc.integer({ min: 0, max: 2 }),
});
const anyPublishing = fc.record({
  kind: fc.constant("publish" as const),
  /** Bits of the members. */
  who: fc.integer({ min: 1, max: 7 }),
  /** One host gets the document so much later. */
  late: fc.integer({ min: 0, max: 2 }),
  lagMs: fc.constantFrom(0, 400, 2_000, 3_500),
});
const anyFault = fc.record({
  kind: fc.constantFrom("kill" as const, "start" as const),
  who: fc.integer({ min: 0, max: 2 }),
});
const anyPassing = fc.record({
  kind: fc.constant("pass" as const),
  ms: fc.constantFrom(1, 50, 300, 1_000, 6_000),
});
const anyStep = fc.oneof(
  { weight: 2, arbitrary: anyPublishing },
  { weight: 1, arbitrary: anyFault },
  { weight: 12, arbitrary: anyCall },
  { weight: 6, arbitrary: anyPassing },
);

test("ring: whatever documents proxies and clients have, nothing superseded is read", () => {
  let hits = 0;
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 60, maxLength: 120 }), (steps) => {
      const clock = new VirtualClock();
      const documents: Membership[] = [documentOf(1, 7)];
      const proxies = new Map<string, RingProxy>();
      const [first] = documents;
      assert.ok(first !== undefined);
      for (const id of IDS) proxies.set(id, new RingProxy(id, clock, proxies, first));
      for (const proxy of proxies.values()) proxy.start();
      const latest = new Map<string, number>();
      let value = 0;
      for (const step of steps) {
        if (step.kind === "pass") clock.advance(step.ms);
        else if (step.kind === "publish") {
          const next = documentOf(documents.length + 1, step.who);
          documents.push(next);
          for (const [at, proxy] of [...proxies.values()].entries()) {
            const lagMs = at === step.late ? step.lagMs : 0;
            clock.setTimer(lagMs, () => {
              if (proxy.file.epoch < next.epoch) proxy.file = next;
            });
          }
        } else if ("who" in step) {
          const proxy = proxies.get(IDS[step.who] ?? "");
          if (step.kind === "kill") proxy?.stop();
          else proxy?.start();
        } else {
          const document = documents[Math.max(0, documents.length - 1 - step.back)] ?? first;
          const key = KEYS[step.key] ?? "";
          const proxy = proxies.get(buildRing(document).ownerOf(key).id);
          const isPut = step.kind === "put";
          if (proxy?.duty?.mayServe(key, isPut, document.epoch) !== true) continue;
          if (isPut) {
            value += 1;
            proxy.table.set(key, value);
            latest.set(key, value);
            continue;
          }
          const read = proxy.table.get(key);
          if (read === undefined) continue;
          hits += 1;
          assert.equal(read, latest.get(key), `${key} at ${proxy.id}`);
        }
      }
      for (const proxy of proxies.values()) proxy.stop();
    }),
    { numRuns: 1_000 },
  );
  assert.ok(hits > 1_000, `${hits} reads hit`);
});

/** `who`: bits of the members that are there. */
function documentOf(epoch: number, who: number): Membership {
  const members = IDS.filter((_, at) => (who & (1 << at)) !== 0).map((id) => ({
    id,
    address: `${id}:1`,
    weight: 1,
  }));
  return { epoch, members, virtualNodes: 8 };
}
