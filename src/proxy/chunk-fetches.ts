// The transfers of chunks from functions that are under way: readers of the same chunk share one. It keeps no bytes.

import { assert } from "../core/assert.ts";
import type { Clock } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import { ChunkFetch, type FetchReader } from "./chunk-fetch.ts";
import type { ProxyCounters } from "./counters.ts";
import type { TransferLatency } from "./latency.ts";
import { chunkName } from "./node-space.ts";
import { chunkBytesOf, chunkIdOf, type ObjectVersion, placeOf } from "./object-version.ts";
import type { PartPool } from "./part-pool.ts";
import type { Pool } from "./pool.ts";

/** What the transfers need of the proxy. */
export interface ChunkFetchesContext {
  readonly clock: Clock;
  readonly pool: Pool;
  readonly parts: PartPool;
  readonly counters: ProxyCounters;
  readonly latency: TransferLatency;
}

/** For whom a chunk is fetched, and from which of its bytes on. */
export interface FetchHow {
  readonly purpose?: "serve" | "repair";
  /** Beyond 0 the transfer is shared with nobody. */
  readonly from?: number;
}

/** See the header. */
export class ChunkFetches {
  readonly #context: ChunkFetchesContext;
  readonly #running = new Roster<string, ChunkFetch>();

  constructor(context: ChunkFetchesContext) {
    this.#context = context;
  }

  /** Joins the transfer of this chunk that is under way, or begins one. */
  fetch(
    object: ObjectVersion,
    stripe: number,
    index: number,
    reader: FetchReader,
    { purpose = "serve", from = 0 }: FetchHow = {},
  ): ChunkFetch {
    const { clock, pool, parts, counters, latency } = this.#context;
    const id = chunkIdOf(object, stripe, index);
    const place = placeOf(object, stripe, index);
    assert(place !== undefined, "a stripe has d+p places");
    // Nobody who is served waits for a wake that is billed to repair.
    const name = `${purpose}/${place.node}/${chunkName(id)}`;
    const running = this.#running.get(name);
    if (from === 0 && running?.isJoinable === true) {
      counters.coalesced++;
      running.join(reader);
      return running;
    }
    const bytes = chunkBytesOf(object, stripe, index);
    const fetch = new ChunkFetch(name, id, { from, bytes }, purpose, pool.link(place.node), {
      clock,
      parts,
      onOver: (over, completedMs) => {
        if (this.#running.get(over.name) === over) this.#running.delete(over.name);
        if (completedMs !== null) latency.note(over.bytes, completedMs);
      },
    });
    if (from === 0) this.#running.set(name, fetch);
    fetch.join(reader);
    return fetch;
  }
}
