// Opens what the settings of a proxy put behind its doors.

import type { OriginOptions } from "../cli/composition.ts";
import type { LeasingCache } from "../client/api.ts";
import { directoryOrigin } from "../host/directory-origin.ts";
import { openJournal } from "../host/journal-files.ts";
import type { OriginStore } from "../origin/store.ts";
import type { OriginTier } from "../origin/tier.ts";
import { s3Origin } from "../platform/s3-origin.ts";
import { tierOf } from "./tier.ts";

/** The cache with the origin behind it; rejects when the origin, or its journal, cannot be opened. */
export async function openOrigin(cache: LeasingCache, options: OriginOptions): Promise<OriginTier> {
  const { mode, absentMs } = options;
  const store = await openStore(options);
  if (mode !== "write-behind") return tierOf(cache, { store, mode, absentMs });
  const { folder, bytesMax } = options.journal;
  const journal = await openJournal(folder, { bytesMax });
  return tierOf(cache, { store, mode, absentMs, journal });
}

async function openStore({ url, endpoint }: OriginOptions): Promise<OriginStore> {
  if (url.startsWith("dir:")) return await directoryOrigin(url.slice("dir:".length));
  // The SDK would read it, too, but not address buckets by path then.
  const at = endpoint === "" ? (process.env["AWS_ENDPOINT_URL_S3"] ?? "") : endpoint;
  return await s3Origin({ url, ...(at === "" ? {} : { endpoint: at }) });
}
