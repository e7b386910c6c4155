// Puts an origin behind a cache, as applications name it: a function that loads, or a store with a mode.

import type { LeasingCache } from "../client/api.ts";
import { CacheError } from "../core/errors.ts";
import { SystemClock } from "../host/system-clock.ts";
import { SystemRandom } from "../host/system-random.ts";
import { SystemWallClock } from "../host/system-wall-clock.ts";
import { Journal } from "../origin/journal.ts";
import { loaderOrigin } from "../origin/loader.ts";
import type { Loader, OriginStore } from "../origin/store.ts";
import { OriginTier } from "../origin/tier.ts";
import { WriteBehind } from "../origin/write-behind.ts";

interface Common {
  /** How long a key that the origin does not have is not asked for again, in milliseconds. Default 0. */
  readonly absentMs?: number;
}

/** What stands behind a cache. */
export type OriginChoice =
  | (Common & {
      /** Loads what is absent, once for all who wait; null: there is no such object. */
      readonly load: Loader;
    })
  | (Common & {
      readonly store: OriginStore;
      /** Whether changes go to the store before they are acknowledged. Default `read-through`: they do not. */
      readonly mode?: "read-through" | "write-through";
    })
  | (Common & {
      readonly store: OriginStore;
      /** Changes are acknowledged when the journal has them durably, and go to the store later. */
      readonly mode: "write-behind";
      /** Of `openJournal`; closed with the cache. */
      readonly journal: Journal;
    });

/** The cache with the origin behind it; throws `ICACHE_INVALID` for a choice that is none. */
export function tierOf(cache: LeasingCache, choice: OriginChoice): OriginTier {
  const clock = new SystemClock();
  const wallClock = new SystemWallClock();
  const { absentMs = 0 } = choice;
  const common = { cache, clock, wallClock, absentMs };
  if (!Number.isSafeInteger(absentMs) || absentMs < 0)
    throw new CacheError(
      "ICACHE_INVALID",
      "origin.absentMs must be a whole number of milliseconds",
    );
  if ("load" in choice) {
    if (typeof choice.load !== "function")
      throw new CacheError("ICACHE_INVALID", "origin.load must be a function");
    const reader = loaderOrigin(choice.load, wallClock);
    return new OriginTier({ ...common, origin: { kind: "reader", reader }, mode: "read-through" });
  }
  const { store, mode = "read-through" } = choice;
  switch (mode) {
    case "read-through":
      return new OriginTier({ ...common, origin: { kind: "reader", reader: store }, mode });
    case "write-through":
      return new OriginTier({ ...common, origin: { kind: "store", store }, mode });
    case "write-behind": {
      const journal: unknown = "journal" in choice ? choice.journal : undefined;
      if (!(journal instanceof Journal))
        throw new CacheError("ICACHE_INVALID", "write-behind needs origin.journal");
      const behind = new WriteBehind({ journal, store, clock, random: new SystemRandom() });
      return new OriginTier({
        ...common,
        origin: { kind: "store", store: behind },
        mode,
        journal: () => behind.status(wallClock.now()),
      });
    }
    default:
      throw new CacheError(
        "ICACHE_INVALID",
        "origin.mode must be read-through, write-through or write-behind",
      );
  }
}
