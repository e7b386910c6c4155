// For processes whose memory belongs to something other than the heap, as a function's belongs to chunks. V8 lets both
// generations grow while a process is busy: functions full of small chunks were killed by the provider for it (decision
// 0031). The managed runtime starts Node with limits of its own, which these undercut.

import { setFlagsFromString } from "node:v8";

const FLAGS: readonly string[] = [
  // The young generation stays at its first 1 MiB instead of growing to 16, or to what the provider's runtime allows:
  // collections are as many times more, each of 0.1 ms.
  "--semi-space-growth-factor=1",
  // The old one is collected when it has grown by half since the last time, not by up to three times.
  "--heap-growing-percent=50",
];

/**
 * From now on this process's heap grows by little beyond what lives in it. For the start, before it has grown.
 *
 * ```ts
 * keepHeapSmall();
 * ```
 */
export function keepHeapSmall(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
}
