// The numbered document that says which proxies share the keys: what it may look like, and everything that is wrong
// with one, reported together. It reads no file and owns no key; ring.ts does that.

/** The most members: a document must fit into one frame. */
export const MEMBERS_MAX = 128;
/** The largest weight; a member has this many times the virtual nodes of one with weight 1. */
export const WEIGHT_MAX = 100;
/** Virtual nodes for each unit of weight, when a document names no number. */
export const VIRTUAL_NODES_DEFAULT = 128;
const VIRTUAL_NODES_MAX = 4_096;
/** Points on the ring, all members together: about 3 MB. */
const POINTS_MAX = 131_072;
const EPOCH_MAX = 2 ** 32 - 1;
const ADDRESS_BYTES_MAX = 255;
const NAMES = ["epoch", "members", "virtualNodes", "$schema"];

/** One proxy among several. */
export interface Member {
  /** The name of its pool: pools of different proxies are disjoint. */
  readonly id: string;
  /** `host:port` that clients dial. */
  readonly address: string;
  /** Its share relative to the others'; 0: owns nothing, but is still asked whether it has let go. */
  readonly weight: number;
}

/** Who shares the keys from this number on. */
export interface Membership {
  /** Counted up by one with every change. */
  readonly epoch: number;
  readonly members: readonly Member[];
  /** Points on the ring for each unit of weight. */
  readonly virtualNodes: number;
}

/** What reading the document came to. */
export type RingNews =
  | { readonly kind: "unchanged" }
  | { readonly kind: "document"; readonly membership: Membership }
  | { readonly kind: "fault"; readonly reason: string };

/** A document from outside, or all its faults. Absent weights are 1. */
export function parseMembership(
  value: unknown,
):
  | { readonly kind: "ok"; readonly membership: Membership }
  | { readonly kind: "bad"; readonly faults: readonly string[] } {
  if (!isRecord(value)) return { kind: "bad", faults: ["the document must be one JSON object"] };
  const faults: string[] = [];
  for (const name of Object.keys(value)) {
    if (!NAMES.includes(name)) faults.push(`unknown field "${name}"`);
  }
  const { epoch, members, virtualNodes = VIRTUAL_NODES_DEFAULT } = value;
  if (!isInteger(epoch, 1, EPOCH_MAX))
    faults.push(`epoch must be an integer from 1 to ${EPOCH_MAX}`);
  if (!isInteger(virtualNodes, 1, VIRTUAL_NODES_MAX))
    faults.push(`virtualNodes must be an integer from 1 to ${VIRTUAL_NODES_MAX}`);
  const parsed = Array.isArray(members) ? parseMembers(members, faults) : [];
  if (!Array.isArray(members)) faults.push("members must be a list");
  const weights = parsed.reduce((sum, { weight }) => sum + weight, 0);
  if (faults.length === 0) {
    if (weights === 0) faults.push("at least one member must have a weight above 0");
    if (weights * Number(virtualNodes) > POINTS_MAX)
      faults.push(`all weights × virtualNodes may be ${POINTS_MAX} at most`);
  }
  if (faults.length > 0) return { kind: "bad", faults };
  const membership = { epoch: Number(epoch), members: parsed, virtualNodes: Number(virtualNodes) };
  return { kind: "ok", membership };
}

/** True when both say the same. */
export function isSameMembership(a: Membership, b: Membership): boolean {
  return canonical(a) === canonical(b);
}

function canonical({ epoch, members, virtualNodes }: Membership): string {
  const rows = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  const listed = rows.map(({ id, address, weight }) => [id, address, weight]);
  return JSON.stringify([epoch, virtualNodes, listed]);
}

function parseMembers(values: readonly unknown[], faults: string[]): readonly Member[] {
  if (values.length > MEMBERS_MAX) faults.push(`there may be ${MEMBERS_MAX} members at most`);
  const members: Member[] = [];
  const ids = new Set<string>();
  const addresses = new Set<string>();
  for (const [at, value] of values.entries()) {
    const where = `members[${at}]`;
    if (!isRecord(value)) {
      faults.push(`${where} must be an object`);
      continue;
    }
    const { id, address, weight = 1, ...others } = value;
    for (const name of Object.keys(others)) faults.push(`${where}: unknown field "${name}"`);
    const isId = typeof id === "string" && /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,39}$/.test(id);
    if (!isId) faults.push(`${where}.id must be the name of a pool`);
    else if (ids.has(id)) faults.push(`${where}.id "${id}" is there twice`);
    const isAddress =
      typeof address === "string" &&
      address.length <= ADDRESS_BYTES_MAX &&
      /^([^\s/:]+|\[[0-9a-f:]+\]):\d{1,5}$/i.test(address);
    if (!isAddress) faults.push(`${where}.address must be host:port`);
    else if (addresses.has(address)) faults.push(`${where}.address "${address}" is there twice`);
    if (!isInteger(weight, 0, WEIGHT_MAX))
      faults.push(`${where}.weight must be an integer from 0 to ${WEIGHT_MAX}`);
    if (isId) ids.add(id);
    if (isAddress) addresses.add(address);
    if (isId && isAddress) members.push({ id, address, weight: Number(weight) });
  }
  return members;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInteger(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
}
