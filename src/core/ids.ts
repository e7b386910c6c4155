// The identities of the system, as branded primitives so that one can never stand in for another.
// It holds no logic beyond checked constructors.

declare const brand: unique symbol;
type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A user's key: any non-empty string of at most 1,024 bytes of UTF-8. */
export type ObjectKey = Brand<string, "ObjectKey">;
/** The position of a node in its pool, from 0. */
export type NodeIndex = Brand<number, "NodeIndex">;
/** 16 random bytes in hex, drawn by an instance when its process starts. */
export type InstanceId = Brand<string, "InstanceId">;
/** The number of an object's version: grows within a generation and is never used twice. */
export type Version = Brand<number, "Version">;
/** The pool's data as a whole: changes only when the object table was lost. Unsigned, 32 bits. */
export type Generation = Brand<number, "Generation">;
/** A proxy's reign over its pool: grows at every start and fences the one before. Unsigned, 32 bits. */
export type Term = Brand<number, "Term">;
/** The number of one Invoke within a term; unique over all nodes of the pool. Unsigned, 32 bits. */
export type InvocationId = Brand<number, "InvocationId">;

/** The longest key, in bytes of UTF-8. */
export const KEY_BYTES_MAX = 1_024;

const encoder = new TextEncoder();

/** Short keys are encoded here: a fresh array for each would cost more than its hash. */
const encoded = new Uint8Array(KEY_BYTES_MAX);

/** The UTF-8 bytes of a key: what is hashed, and what goes over the wire. Borrowed until the next call. */
export function keyBytes(key: ObjectKey): Uint8Array {
  if (key.length > KEY_BYTES_MAX / 3) return encoder.encode(key);
  return encoded.subarray(0, encoder.encodeInto(key, encoded).written);
}

/** What is wrong with a key, or null when it is a good one. */
export function keyFault(key: string): string | null {
  if (key.length === 0) return "a key must have at least one character";
  if (!key.isWellFormed()) return "a key must be well-formed Unicode (it has a lone surrogate)";
  const bytes = key.length > KEY_BYTES_MAX / 3 ? encoder.encode(key).length : key.length;
  if (bytes <= KEY_BYTES_MAX) return null;
  return `a key may have ${KEY_BYTES_MAX} bytes of UTF-8 at most; this one has ${bytes}`;
}

/** Brands a node index; the caller has checked its range against the pool. */
export const nodeIndex = (value: number): NodeIndex => value as NodeIndex;
/** Brands an instance id that came off the wire or from the random source. */
export const instanceId = (value: string): InstanceId => value as InstanceId;
/** Brands a version number. */
export const version = (value: number): Version => value as Version;
/** Brands a generation, cut to 32 bits. */
export const generation = (value: number): Generation => (value >>> 0) as Generation;
/** Brands an invocation number, cut to 32 bits. */
export const invocationId = (value: number): InvocationId => (value >>> 0) as InvocationId;
