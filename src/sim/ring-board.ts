// The membership document of a simulated world as operators put it in place: each change reaches every site a little later,
// and one after the other, as files do. It decides who owns what; that they obey, others judge.

import type { Membership, RingNews } from "../core/membership.ts";
import type { Clock } from "../core/ports.ts";
import { buildRing, type Ring } from "../core/ring.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** A change has reached all sites by then. */
const LAG_MS_MAX = 1_500;
/** Few, so that weights differ from shares and changes move many keys. */
const VIRTUAL_NODES = 8;

interface Published {
  readonly membership: Membership;
  readonly seenAt: ReadonlyMap<string, number>;
}

/** See the header. */
export class RingBoard {
  readonly #clock: Clock;
  readonly #sites: readonly { readonly id: string; readonly address: string }[];
  readonly #published: Published[] = [];

  constructor(clock: Clock, sites: readonly { readonly id: string; readonly address: string }[]) {
    this.#clock = clock;
    this.#sites = sites;
    const members = sites.map(({ id, address }) => ({ id, address, weight: 1 }));
    const membership = { epoch: 1, members, virtualNodes: VIRTUAL_NODES };
    this.#published.push({ membership, seenAt: new Map(sites.map(({ id }) => [id, 0])) });
  }

  /** The newest. */
  get ring(): Ring {
    return buildRing(this.#last().membership);
  }

  /** Members come and go, and their weights change; now and then two changes follow each other at once. */
  change(random: SeededRandom): void {
    const weights: number[] = this.#sites.map(() => random.pick([0, 0, 1, 1, 2]));
    if (!weights.some((weight) => weight > 0)) weights[random.below(weights.length)] = 1;
    const { epoch } = this.#last().membership;
    const members = this.#sites
      .map(({ id, address }, at) => ({ id, address, weight: weights[at] ?? 0 }))
      // Who owns nothing stands in the document, or does not.
      .filter(({ weight }) => weight > 0 || random.chance(0.5));
    const now = this.#clock.now();
    const seenAt = new Map(this.#sites.map(({ id }) => [id, now + random.between(0, LAG_MS_MAX)]));
    this.#published.push({
      membership: { epoch: epoch + 1, members, virtualNodes: VIRTUAL_NODES },
      seenAt,
    });
    if (random.chance(0.2)) this.change(random);
  }

  /** How one process of a site reads it: what it has read is unchanged until there is something newer. */
  readerOf(id: string): () => RingNews {
    let read: Membership | null = null;
    return () => {
      const now = this.#clock.now();
      const visible = this.#published.findLast(({ seenAt }) => (seenAt.get(id) ?? 0) <= now);
      if (visible === undefined || visible.membership === read) return { kind: "unchanged" };
      read = visible.membership;
      return { kind: "document", membership: visible.membership };
    };
  }

  #last(): Published {
    const last = this.#published.at(-1);
    if (last === undefined) throw new RangeError("there is always a document");
    return last;
  }
}
