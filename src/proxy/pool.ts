// The nodes of one proxy together: room for chunks, eviction when there is none, and agreement between what the
// table believes of an instance and what that instance holds.

import { chunkCost } from "../core/chunk-cost.ts";
import type { InstanceId, NodeIndex } from "../core/ids.ts";
import { choosePlaces, choosePreferred } from "../core/placement.ts";
import type { Random } from "../core/ports.ts";
import type { MessageOf, WireChunkId } from "../wire/messages.ts";
import type { NodeLink } from "./node-link.ts";
import type { NodeSpace } from "./node-space.ts";
import type { NodeWish } from "./object-spread.ts";
import type { ObjectTable } from "./object-table.ts";
import { StoreAudit } from "./store-audit.ts";

/** Drops told in one message; the wire allows no more. */
export const DROPS_PER_MESSAGE = 1_000;

/** Chunks that need room on distinct nodes. */
export interface ChunkRequest {
  readonly id: WireChunkId;
  readonly bytes: number;
}

/** The pool of one proxy. */
export class Pool {
  readonly spaces: readonly NodeSpace[];
  readonly links: readonly NodeLink[];
  readonly #random: Random;
  readonly #audits = new Map<NodeIndex, StoreAudit>();
  #table: ObjectTable | null = null;

  constructor(spaces: readonly NodeSpace[], links: readonly NodeLink[], random: Random) {
    this.spaces = spaces;
    this.links = links;
    this.#random = random;
  }

  /** The table evicts for the pool and learns from it; they are built one after the other. */
  attach(table: ObjectTable): void {
    this.#table = table;
  }

  /** What all nodes together may hold. */
  get capacityBytes(): number {
    return this.spaces.reduce((sum, space) => sum + space.budgetBytes, 0);
  }

  link(node: NodeIndex): NodeLink {
    const link = this.links[node];
    if (link === undefined) throw new RangeError(`there is no node ${node}`);
    return link;
  }

  /**
   * Reserves every chunk on a node of its own, none of them in `except`, evicting as needed; null when that cannot be.
   * `wish`: nodes that are chosen before others with about as much room.
   */
  reserve(
    chunks: readonly ChunkRequest[],
    except: ReadonlySet<NodeIndex>,
    wish: NodeWish | null = null,
  ): NodeIndex[] | null {
    const bytes = chunks.reduce((most, chunk) => Math.max(most, chunkCost(chunk.bytes)), 0);
    // No eviction gives what too few nodes could ever have: without this, one refusal could empty the cache.
    if (this.#eligible(except).filter((space) => space.budgetBytes >= bytes).length < chunks.length)
      return null;
    // No eviction changes what nodes may hold.
    const slackBytes = (this.capacityBytes / this.spaces.length) * (wish?.slack ?? 0);
    for (;;) {
      const candidates = this.#candidates(bytes, except);
      const nodes =
        wish === null
          ? choosePlaces(candidates, chunks.length, this.#random)
          : choosePreferred(candidates, chunks.length, wish.has, slackBytes, this.#random);
      if (nodes !== null) {
        for (const [i, { id, bytes: chunkBytes }] of chunks.entries())
          this.spaces[nodes[i] ?? 0]?.reserve(id, chunkBytes);
        return nodes;
      }
      if (!(this.#table?.evictOne() ?? false)) return null;
    }
  }

  /** Tells the instance what it may forget. Only while it is awake. */
  sendDrops(link: NodeLink): void {
    const instance = link.awakeInstance;
    const drops = instance === null ? [] : (this.spaces[link.node]?.takeDrops(instance) ?? []);
    for (let from = 0; from < drops.length; from += DROPS_PER_MESSAGE) {
      link.send(0, { kind: "chunkDrop", chunks: drops.slice(from, from + DROPS_PER_MESSAGE) });
    }
  }

  /**
   * An instance is awake, the primary or not: its budget counts, drops go out, its store must be what the table believes of
   * it. Without a hello: it was awake for a backup already, and its hello is older than what it was sent since.
   */
  onAwake(link: NodeLink, hello: MessageOf<"functionHello"> | null): void {
    const space = this.spaces[link.node];
    const instance = link.awakeInstance;
    if (space === undefined || instance === null) return;
    this.#audits.delete(link.node); // One that an earlier invocation could not finish.
    if (hello === null) {
      this.sendDrops(link);
      // It took over before it was compared with what was written down of it: what it lacks nobody else would say.
      if (space.isReplicaAssumed && instance === space.replica) this.#audit(link, space, instance);
      return;
    }
    space.setBudget(hello.budgetBytes);
    const { low, high } = space.digest(instance);
    const isEqual = low === hello.storeDigestLow && high === hello.storeDigestHigh;
    this.sendDrops(link);
    if (!isEqual) return this.#audit(link, space, instance);
    space.noteProven(instance);
    this.#table?.settleLosses(space);
  }

  onInventory(link: NodeLink, page: MessageOf<"inventory">): void {
    const audit = this.#audits.get(link.node);
    if (audit === undefined) return;
    if (!audit.onPage(page)) return;
    this.#audits.delete(link.node);
    const drops = audit.settle(this.#table);
    const space = this.spaces[link.node];
    if (space !== undefined) this.#table?.settleLosses(space);
    for (let from = 0; from < drops.length; from += DROPS_PER_MESSAGE)
      link.send(0, { kind: "chunkDrop", chunks: drops.slice(from, from + DROPS_PER_MESSAGE) });
  }

  /** An instance is proven gone. */
  onLost(link: NodeLink, instance: InstanceId): void {
    if (this.#audits.get(link.node)?.instance === instance) this.#audits.delete(link.node);
    this.#table?.loseInstance(link.node, instance);
  }

  /** Instances that served in the primary's place and were not seen again for long count as lost; called now and then. */
  loseUnseen(now: number): void {
    for (const { node, primary, awakeInstance } of this.links) {
      const space = this.spaces[node];
      if (awakeInstance !== null) space?.noteSeen(awakeInstance, now);
      for (const instance of space?.unseen(now, [primary, awakeInstance]) ?? [])
        this.#table?.loseInstance(node, instance);
    }
  }

  #candidates(
    bytes: number,
    except: ReadonlySet<NodeIndex>,
  ): { node: NodeIndex; freeBytes: number }[] {
    return this.#eligible(except).filter((space) => space.freeBytes >= bytes);
  }

  /** The nodes that may be asked to take a chunk now, whether they have room or not. */
  #eligible(except: ReadonlySet<NodeIndex>): NodeSpace[] {
    return this.spaces.filter(
      ({ node }) => !except.has(node) && this.links[node]?.state.kind !== "detached",
    );
  }

  #audit(link: NodeLink, space: NodeSpace, instance: InstanceId): void {
    // After a restart nobody remembers who the replica was: it is the one beside the primary that has something.
    if (space.replica === null && instance !== link.primary) space.setReplica(instance);
    this.#audits.set(link.node, new StoreAudit(space, instance));
    link.askInventory();
  }
}
