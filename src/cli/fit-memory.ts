// How much memory each function gets, so that all of them, once they are full, fit into a share of what the machine has
// free. Arithmetic, and what there is to say of it.

import { CommandError } from "./exit-codes.ts";
import { NODE_MEMORY_MB_MIN, type Settings } from "./settings.ts";
import { formatBytes } from "./units.ts";

const MEGABYTE = 1_048_576;

/**
 * Each function's memory in MB (2^20 bytes) of `freeBytes`; `note` says so when it is less than was asked for. Throws a
 * CommandError `refused`, with the count and the share that would do, where the least a function can have is too much.
 */
export function fitMemory(
  settings: Pick<Settings, "nodes" | "memoryMb" | "memorySharePercent" | "backupIntervalMs">,
  freeBytes: number,
): { readonly memoryMb: number; readonly note: string | null } {
  const { nodes, memoryMb, memorySharePercent: percent, backupIntervalMs } = settings;
  const instances = backupIntervalMs === 0 ? 1 : 2; // A replica beside each primary.
  const freeMb = freeBytes / MEGABYTE;
  const mostMb = (freeMb * percent) / 100;
  const fittingMb = Math.floor(mostMb / nodes / instances);
  if (fittingMb >= memoryMb) return { memoryMb, note: null };
  const share = `${percent} % of the ${formatBytes(freeBytes)} that are free`;
  const each = instances === 1 ? "" : ", each with its replica,";
  if (fittingMb < NODE_MEMORY_MB_MIN) {
    const most = Math.floor(mostMb / NODE_MEMORY_MB_MIN / instances);
    // Rounded up: a little less may be free next time.
    const needed = 10 * Math.ceil((10 * NODE_MEMORY_MB_MIN * nodes * instances) / freeMb);
    throw new CommandError(
      "refused",
      `${nodes} functions of ${NODE_MEMORY_MB_MIN} MB${each} do not fit into ${share}; --nodes ${most} would\n` +
        `idle ones take little: where they will not be full, --memory-share ${needed} starts them all`,
    );
  }
  const note = `each function gets ${fittingMb} MB, not ${memoryMb}: all ${nodes} together${each} may take ${share} (--memory-share)`;
  return { memoryMb: fittingMb, note };
}
