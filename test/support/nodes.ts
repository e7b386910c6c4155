// Which node a function's connection through a fault proxy belongs to: its first frame is a hello, and that names it.

import { HEADER_BYTES } from "../../src/wire/frame.ts";
import { MESSAGES } from "../../src/wire/messages.ts";
import type { FaultLink } from "./fault-proxy.ts";

const TYPE_AT = 3;

/** The node at the other end, or null before its hello has come. */
export function nodeOf({ head }: FaultLink): number | null {
  if (head.length < HEADER_BYTES + 2 || head[TYPE_AT] !== MESSAGES.functionHello.type) return null;
  return (head[HEADER_BYTES] ?? 0) | ((head[HEADER_BYTES + 1] ?? 0) << 8);
}
