// Opens what the settings of a proxy put behind its doors.

import type { OriginOptions } from "../cli/composition.ts";
import type { LeasingCache } from "../client/api.ts";
import { directoryOrigin } from "../host/directory-origin.ts";
import { openJournal } from "../host/journal-files.ts";
import type { OriginTier } from "../origin/tier.ts";
import { tierOf } from "./tier.ts";

/** The cache with the origin behind it; rejects when the origin, or its journal, cannot be opened. */
export async function openOrigin(cache: LeasingCache, options: OriginOptions): Promise<OriginTier> {
  const { url, mode, absentMs } = options;
  const store = await directoryOrigin(url.slice("dir:".length));
  if (mode !== "write-behind") return tierOf(cache, { store, mode, absentMs });
  const { folder, bytesMax } = options.journal;
  const journal = await openJournal(folder, { bytesMax });
  return tierOf(cache, { store, mode, absentMs, journal });
}
