// What one setting is: a row of the table in settings.ts.

import type { z } from "zod";

/** How text from a flag or the environment becomes a value before the schema sees it. */
export type TextKind = "text" | "integer" | "number" | "duration" | "bytes";

/** One row of the table. */
export interface Setting<Value> {
  readonly flag: string;
  /** What stands after the flag in help. */
  readonly argument: string;
  readonly kind: TextKind;
  readonly schema: z.ZodType<Value>;
  readonly byDefault: Value;
  readonly summary: string;
  /** Secrets have no flag: arguments of a process can be read by everybody on the machine. */
  readonly isSecret?: boolean;
}

/** A row, with the type of its value. */
export function row<Value>(setting: Setting<Value>): Setting<Value> {
  return setting;
}
