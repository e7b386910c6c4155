// Over how many nodes the stripes of one object are spread. Wide: each on nodes of its own while there are such, since
// many functions of little bandwidth bring an object sooner than few. Narrow: all on the nodes of the first, since each
// function that is asked costs a wake and, where all share one machine, a process more that wants its processors.
// A stripe's own chunks are on distinct nodes in any case; what has no room where it would rather go goes elsewhere.

import type { NodeIndex } from "../core/ids.ts";
import type { Spread } from "../core/placement.ts";

/** Which nodes a stripe would rather have. */
export interface NodeWish {
  readonly has: (node: NodeIndex) => boolean;
  /** How much fuller than the emptiest node one of these may be and still be chosen before it: a share of a node. */
  readonly slack: number;
}

/** What the spread of an object depends on. */
export interface SpreadContext {
  readonly spread: Spread;
  readonly nodes: readonly NodeIndex[];
  /** Awake with nothing to do. */
  readonly isIdle: (node: NodeIndex) => boolean;
  /** Where the version lies that this one is to replace; empty: there is none. */
  readonly replaced: ReadonlySet<NodeIndex>;
}

/** Enough to find nodes that are awake, too little to fill few of them. */
const SLACK = 1 / 16;
/** Objects of up to a gigabyte stay together on functions of 512 MB. */
const TOGETHER_SLACK = 1 / 4;
/** What takes the place of another makes no node fuller in the end. */
const REPLACING_SLACK = 1;

/** The account of one PUT: how many chunks of its stripes went to each node. */
export class ObjectSpread {
  readonly #context: SpreadContext;
  readonly #chunksOn = new Map<NodeIndex, number>();

  constructor(context: SpreadContext) {
    this.#context = context;
  }

  /** What the next stripe, of so many chunks, would rather have; `isOnly`: it is all of the object. Null: any. */
  wish(chunks: number, isOnly: boolean): NodeWish | null {
    const { spread, isIdle, replaced } = this.#context;
    const isFirst = this.#chunksOn.size === 0;
    if (spread === "wide" && !isOnly) return this.#fewest();
    // Each version then finds the memory that the one before the last has freed: touching other for the first time costs
    // a function as much as receiving into it.
    if (this.#mayFollow(chunks))
      return { has: (node) => replaced.has(node), slack: REPLACING_SLACK };
    // What few nodes hold whole needs none that sleeps.
    if (isFirst) return { has: isIdle, slack: SLACK };
    return { has: (node) => this.#chunksOn.has(node), slack: TOGETHER_SLACK };
  }

  /** A stripe went to these. */
  note(nodes: Iterable<NodeIndex>): void {
    for (const node of nodes) this.#chunksOn.set(node, (this.#chunksOn.get(node) ?? 0) + 1);
  }

  /** As many nodes as one stripe has chunks, and none is awake that would have to be left for one that sleeps. */
  #mayFollow(chunks: number): boolean {
    const { nodes, isIdle, replaced } = this.#context;
    if (replaced.size !== chunks) return false;
    if ([...this.#chunksOn.keys()].some((node) => !replaced.has(node))) return false;
    if (this.#chunksOn.size > 0) return true;
    const idle = nodes.filter(isIdle);
    return idle.filter((node) => replaced.has(node)).length >= Math.min(chunks, idle.length);
  }

  #fewest(): NodeWish | null {
    const { nodes } = this.#context;
    if (this.#chunksOn.size === 0) return null;
    const fewest = this.#chunksOn.size < nodes.length ? 0 : Math.min(...this.#chunksOn.values());
    return { has: (node) => (this.#chunksOn.get(node) ?? 0) <= fewest, slack: SLACK };
  }
}
