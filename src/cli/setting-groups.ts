// Which settings go together: what a pool is made by, and what the local Lambda service is made by. Commands name these
// groups, and hand them on whole to processes they start.

import type { SettingName } from "./settings.ts";

/** What a pool is made by: its proxy, functions and doors. */
export const POOL_SETTINGS: readonly SettingName[] = [
  ...(["host", "port", "nodes", "memoryMb", "code", "spread"] as const),
  ...(["pool", "state", "ring", "secret"] as const),
  ...(["tokens", "token", "tokenFile"] as const),
  ...(["billing", "lingerMs", "warmUpIntervalMs", "pricing"] as const),
  ...(["backupIntervalMs", "backupSelection"] as const),
  ...(["repairMbPerSecond", "repairDollarsPerHour"] as const),
  ...(["hotBytes", "transferBytes"] as const),
  ...([
    "origin",
    "originEndpoint",
    "originMode",
    "originJournal",
    "originJournalMb",
    "originAbsentMs",
  ] as const),
];

/** What the local Lambda service is made by, beside host and port. */
export const SERVICE_SETTINGS: readonly SettingName[] = ["seed", "reclaim", "freeze"];

/** What a whole cache on this machine is made by: `demo`, and `up` with several proxies. */
export const LOCAL_SETTINGS: readonly SettingName[] = [
  ...POOL_SETTINGS,
  "memorySharePercent",
  ...SERVICE_SETTINGS,
];
export const UP_SETTINGS: readonly SettingName[] = [...LOCAL_SETTINGS, "workers"];
