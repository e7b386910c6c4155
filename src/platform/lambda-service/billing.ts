// What an invocation costs and how the platform reports it: billed milliseconds and the REPORT line.
// Pure. The reader of these lines is ../report.ts.

/** `1ms`: today's rule, INIT included. `100ms`: the rule of 2020, rounded up, INIT free. */
export type BillingMode = "1ms" | "100ms";

/** One invocation as the platform saw it. */
export interface Usage {
  readonly durationMs: number;
  /** Null when the environment existed before. */
  readonly initMs: number | null;
  readonly memoryMb: number;
  readonly maxMemoryMb: number;
}

/** Milliseconds charged for an invocation; never less than one unit. */
export function billedMs(mode: BillingMode, usage: Usage): number {
  if (mode === "100ms") return Math.max(1, Math.ceil(usage.durationMs / 100)) * 100;
  return Math.max(1, Math.ceil(usage.durationMs + (usage.initMs ?? 0)));
}

/** The platform's last line of an invocation, with its line end. */
export function reportLine(
  requestId: string,
  usage: Usage,
  billed: number,
  status: "ok" | "timeout" | "error",
): string {
  const fields = [
    `REPORT RequestId: ${requestId}`,
    `Duration: ${usage.durationMs.toFixed(2)} ms`,
    `Billed Duration: ${billed} ms`,
    `Memory Size: ${usage.memoryMb} MB`,
    `Max Memory Used: ${usage.maxMemoryMb} MB`,
  ];
  if (usage.initMs !== null) fields.push(`Init Duration: ${usage.initMs.toFixed(2)} ms`);
  if (status !== "ok") fields.push(`Status: ${status}`);
  return `${fields.join("\t")}\t\n`;
}
