// Reads the REPORT line of a log tail, the platform's own statement of what an invocation cost. Pure.
// It trusts only the last such line: a function may print what looks like one before it.

import type { BillingReport } from "../core/ports.ts";

const REPORT = /^REPORT RequestId: [^\t ]+[\t ]+(.*)$/gm;

/** What the last REPORT line of a log says, or null when there is none or it is not complete. */
export function parseReport(log: string): BillingReport | null {
  const fields = [...log.matchAll(REPORT)].at(-1)?.[1];
  if (fields === undefined) return null;
  const number = (name: string, unit: string): number | null => {
    // The name must begin a field: "Duration" is also the end of "Billed Duration".
    const match = new RegExp(`(?:^|\\t)${name}: (\\d+(?:\\.\\d+)?) ${unit}`).exec(fields);
    return match === null ? null : Number(match[1]);
  };
  const durationMs = number("Duration", "ms");
  const billedMs = number("Billed Duration", "ms");
  const memoryMb = number("Memory Size", "MB");
  const maxMemoryMb = number("Max Memory Used", "MB");
  if (durationMs === null || billedMs === null || memoryMb === null || maxMemoryMb === null) {
    return null;
  }
  return { durationMs, billedMs, memoryMb, maxMemoryMb, initMs: number("Init Duration", "ms") };
}
