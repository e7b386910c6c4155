// The ring: which member of a membership document owns a key. Consistent hashing with virtual nodes; a member's share
// follows its weight and is bounded by the document alone, never by load, so that all who have the document agree.
// A key's owner is a pure function of the document; nothing here knows proxies or sockets.

import { assert } from "./assert.ts";
import type { Member, Membership } from "./membership.ts";

/** No member's share of the ring is above this many times what its weight says. */
export const SHARE_BOUND = 1.25;
/** Positions on the ring are 32-bit numbers. */
const RING_SIZE = 2 ** 32;

/** A ring made of a document. */
export interface Ring {
  readonly membership: Membership;
  /** The member that owns the key. */
  ownerOf(key: string): Member;
  /** The part of the ring that a member owns, from 0 to 1. */
  shareOf(id: string): number;
}

interface Point {
  readonly position: number;
  readonly member: number;
}

/**
 * Makes the ring of a checked document: O(points · log points) once, O(log points) for each key.
 *
 * @example
 * const ring = buildRing({ epoch: 1, members, virtualNodes: 128 });
 * const { address } = ring.ownerOf("photo");
 */
export function buildRing(membership: Membership, shareBound: number = SHARE_BOUND): Ring {
  assert(shareBound >= 1, "less than everything cannot be owned");
  // Sorted, so that the order of the document's rows means nothing.
  const members = membership.members
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  assert(members.length > 0, "a document has a member with a weight");
  const points = pointsOf(members, membership.virtualNodes);
  const { ends, owners, owned } = divide(points, members, shareBound);
  const shares = new Map(members.map(({ id }, at) => [id, (owned[at] ?? 0) / RING_SIZE]));
  return {
    membership,
    ownerOf: (key) => {
      const owner = members[owners[firstAbove(ends, ringHash(key))] ?? 0];
      assert(owner !== undefined, "every position has an owner");
      return owner;
    },
    shareOf: (id) => shares.get(id) ?? 0,
  };
}

/** Where a text lies on the ring: MurmurHash3 (x86, 32 bits, seed 0) of its UTF-8 bytes, by Austin Appleby, public domain. */
export function ringHash(text: string): number {
  const bytes = encoder.encode(text);
  const whole = bytes.length & ~3;
  let hash = 0;
  for (let at = 0; at < whole; at += 4) {
    const word =
      byteAt(bytes, at) |
      (byteAt(bytes, at + 1) << 8) |
      (byteAt(bytes, at + 2) << 16) |
      (byteAt(bytes, at + 3) << 24);
    hash ^= scramble(word);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= whole; at--) tail = (tail << 8) | byteAt(bytes, at);
  if (whole < bytes.length) hash ^= scramble(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const encoder = new TextEncoder();

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

function pointsOf(members: readonly Member[], virtualNodes: number): Point[] {
  const points: Point[] = [];
  for (const [member, { id, weight }] of members.entries()) {
    for (let at = 0; at < virtualNodes * weight; at++)
      points.push({ position: ringHash(`${id}#${at}`), member });
  }
  return points.sort((a, b) => a.position - b.position || a.member - b.member);
}

/**
 * Walks the ring once: the arc that ends at a point is that point's member's. What a member would get beyond its bound
 * goes on to the next member on the ring that has room, an arc being cut where the bound lies. Bounds add up to more
 * than the ring, so there always is one.
 */
function divide(
  points: readonly Point[],
  members: readonly Member[],
  shareBound: number,
): {
  readonly ends: Float64Array;
  readonly owners: Uint16Array;
  readonly owned: readonly number[];
} {
  const weights = members.reduce((sum, { weight }) => sum + weight, 0);
  // Rounded up: the bounds hold the whole ring also when they allow nothing beyond the weights.
  const room = members.map(({ weight }) => Math.ceil((shareBound * RING_SIZE * weight) / weights));
  const owned = members.map(() => 0);
  const ends: number[] = [];
  const owners: number[] = [];
  let from = 0;
  for (let at = 0; at <= points.length; at++) {
    // The last arc runs over the end of the numbers to the first point.
    const end = points[at]?.position ?? RING_SIZE;
    let next = at % points.length;
    while (from < end) {
      const member = points[next]?.member ?? 0;
      const taken = Math.min(end - from, (room[member] ?? 0) - (owned[member] ?? 0));
      next = (next + 1) % points.length;
      if (taken <= 0) continue;
      owned[member] = (owned[member] ?? 0) + taken;
      from += taken;
      ends.push(from);
      owners.push(member);
    }
  }
  return { ends: Float64Array.from(ends), owners: Uint16Array.from(owners), owned };
}

/** The index of the first end above the position: that arc holds it. */
function firstAbove(ends: Float64Array, position: number): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] ?? 0) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
