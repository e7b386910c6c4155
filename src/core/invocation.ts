// What an Invoke says to a function and what it answers: the canonical text that is MACed, and the
// proofs of both sides on a connection. Pure: keys and HMAC come through the Crypto port.

import type { Crypto } from "./ports.ts";

/** How long an instance stays awake without work. */
export type BillingPolicySpec =
  | { readonly kind: "linger"; readonly lingerMs: number }
  | { readonly kind: "cycle"; readonly cycleMs: number };

/** What the proxy tells an instance with an Invoke. */
export interface InvokeOrder {
  readonly pool: string;
  readonly node: number;
  readonly generation: number;
  readonly term: number;
  readonly invocation: number;
  /** host:port to dial. */
  readonly proxy: string;
  readonly policy: BillingPolicySpec;
}

/**
 * How an invocation went: `refused`, by either side; `unreachable`, the proxy could not be; `superseded`, a proxy of a
 * higher reign has been here; `unverified`, the order was not made with this node's key.
 */
export type AnswerStatus = "served" | "refused" | "unreachable" | "superseded" | "unverified";

/** What the function's answer says. */
export interface InvokeAnswer {
  readonly status: AnswerStatus;
  /** Hex, 32 characters. */
  readonly instance: string;
  readonly reason: string;
}

const utf8 = new TextEncoder();

/** Reads a function's answer; null when it is none of ours. */
export function readAnswer(payload: string): InvokeAnswer | null {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { status, instance, reason } = value as { readonly [name: string]: unknown };
  if (!isStatus(status) || typeof instance !== "string" || typeof reason !== "string") return null;
  return { status, instance, reason };
}

const STATUSES: readonly unknown[] = [
  "served",
  "refused",
  "unreachable",
  "superseded",
  "unverified",
] satisfies readonly AnswerStatus[];

const isStatus = (value: unknown): value is AnswerStatus => STATUSES.includes(value);

/**
 * Which of two proxies of a pool came first, below 0 when it is `a`. Terms decide; two that began in the same second have
 * the same one, and then any order will do, as long as every function sees the same.
 */
export function compareReigns(a: Reign, b: Reign): number {
  if (a.term !== b.term) return a.term - b.term;
  if (a.generation !== b.generation) return a.generation - b.generation;
  return a.proxy === b.proxy ? 0 : a.proxy < b.proxy ? -1 : 1;
}

/** What tells the proxies apart that served a pool one after the other. */
export type Reign = Pick<InvokeOrder, "term" | "generation" | "proxy">;

/** The MAC of a payload was not made with the node's key. */
export const WRONG_MAC = "the payload's MAC is wrong";

/** The key of one node: HMAC of the pool's secret over pool and node; static, set at deployment. */
export function nodeKey(
  crypto: Crypto,
  poolSecret: Uint8Array,
  pool: string,
  node: number,
): Uint8Array {
  return crypto.hmacSha256(poolSecret, utf8.encode(`infinicache node key 1|${pool}|${node}`));
}

/** The payload text of an order, with its MAC. */
export function sealOrder(crypto: Crypto, key: Uint8Array, order: InvokeOrder): string {
  return JSON.stringify({ v: 1, ...order, mac: toHex(crypto.hmacSha256(key, canonical(order))) });
}

/** Reads and verifies a payload as the handler gets it (parsed JSON); a string says why it is refused. */
export function openOrder(crypto: Crypto, key: Uint8Array, payload: unknown): InvokeOrder | string {
  if (typeof payload !== "object" || payload === null) return "the payload is not an object";
  const p = payload as { readonly [name: string]: unknown };
  if (p["v"] !== 1) return "the payload is not of version 1";
  const policy = readPolicy(p["policy"]);
  const { pool, node, generation, term, invocation, proxy, mac } = p;
  if (
    typeof pool !== "string" ||
    typeof proxy !== "string" ||
    typeof mac !== "string" ||
    policy === null
  )
    return "the payload lacks a field";
  if (!isU32(node) || !isU32(generation) || !isU32(term) || !isU32(invocation))
    return "a number of the payload is out of range";
  const order: InvokeOrder = { pool, node, generation, term, invocation, proxy, policy };
  const given = fromHex(mac);
  if (given === null || !crypto.equal(given, crypto.hmacSha256(key, canonical(order))))
    return WRONG_MAC;
  return order;
}

/** What `functionHello.proof` is the HMAC of. */
export function helloProofText(
  challenge: Uint8Array,
  nonce: Uint8Array,
  instance: Uint8Array,
  numbers: {
    readonly node: number;
    readonly term: number;
    readonly invocation: number;
    readonly generation: number;
  },
): Uint8Array {
  const { node, term, invocation, generation } = numbers;
  return join(
    utf8.encode(`infinicache hello 1|${node}|${term}|${invocation}|${generation}|`),
    challenge,
    nonce,
    instance,
  );
}

/** What `functionWelcome.proof` is the HMAC of. */
export function welcomeProofText(
  nonce: Uint8Array,
  challenge: Uint8Array,
  numbers: { readonly term: number; readonly generation: number },
): Uint8Array {
  return join(
    utf8.encode(`infinicache welcome 1|${numbers.term}|${numbers.generation}|`),
    nonce,
    challenge,
  );
}

/** Bytes as hex. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Hex as bytes, or null when it is none. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function canonical(order: InvokeOrder): Uint8Array {
  const { pool, node, generation, term, invocation, proxy, policy } = order;
  const length = policy.kind === "linger" ? policy.lingerMs : policy.cycleMs;
  return utf8.encode(
    JSON.stringify([
      "infinicache invoke 1",
      pool,
      node,
      generation,
      term,
      invocation,
      proxy,
      policy.kind,
      length,
    ]),
  );
}

function readPolicy(value: unknown): BillingPolicySpec | null {
  if (typeof value !== "object" || value === null) return null;
  const { kind, lingerMs, cycleMs } = value as { readonly [name: string]: unknown };
  if (kind === "linger" && typeof lingerMs === "number" && lingerMs >= 0) return { kind, lingerMs };
  if (kind === "cycle" && typeof cycleMs === "number" && cycleMs >= 1) return { kind, cycleMs };
  return null;
}

function isU32(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
