// How the fake proxy answers a GET from its own memory, where a test wants that: one message, and all bytes in one part.

import type { Message, MessageOf } from "../../../src/wire/messages.ts";
import type { FakeObject, FakeProxy } from "./fake-proxy.ts";

/** Sends the answer; false where functions are to answer. */
export function sendWhole(
  { mischief }: FakeProxy,
  message: MessageOf<"get">,
  { described, chunks }: FakeObject,
  send: (message: Message, body?: Uint8Array) => void,
): boolean {
  const wish = mischief.whole?.(message) ?? null;
  const chunk = chunks.get(`0/${wish?.index}`);
  if (wish === null || chunk === undefined) return false;
  const { isDamaged, more } = wish;
  const body = chunk.bytes.slice();
  if (isDamaged) body[body.length >> 1]! ^= 0x10;
  const digest = { digestLow: chunk.low, digestHigh: chunk.high };
  send({ kind: "whole", ...described, index: wish.index, ...digest, ...more });
  const index = more?.index ?? wish.index;
  send({ kind: "data", stripe: 0, index, attempt: 0, offset: 0 }, body);
  return true;
}
