// Every message of the two protocols (client–proxy, proxy–function) as one table of descriptions. The page
// docs/protocol/messages.md is generated from it. Who may send what, in which order, is said there
// and decided by the cores; this file only says what a message looks like.
//
// channel: chosen by whoever begins the exchange; all frames of one operation carry it.
// term, invocation: zero between client and proxy; between proxy and function they fence old frames.

import { KEY_BYTES_MAX } from "../core/ids.ts";
import { CHUNKS_PER_STRIPE_MAX, METADATA_PAIRS_MAX } from "../core/limits.ts";
import { MEMBERS_MAX } from "../core/membership.ts";
import { chunkIdentity, digest, message, place } from "./description.ts";
import { DIRECT_MESSAGES } from "./direct-messages.ts";
import { LEASE_MESSAGES } from "./lease-messages.ts";
import { REPAIR_MESSAGES } from "./repair-messages.ts";
import {
  bytes,
  type FieldValues,
  flag,
  listOf,
  oneOf,
  struct,
  text,
  u8,
  u16,
  u32,
  u53,
} from "./schema.ts";

export type { Sender } from "./description.ts";

const key = text(KEY_BYTES_MAX);
const metadata = listOf(struct({ name: text(1_024), value: text(8_192) }), METADATA_PAIRS_MAX);
const described = {
  bytes: u53,
  version: u53,
  generation: u32,
  dataChunks: u8,
  parityChunks: u8,
  stripeCount: u32,
  stripeBytes: u32,
  lastStripeBytes: u32,
  createdAtMs: u53,
  expiresAtMs: u53,
  metadata,
};

/** The one list of messages. */
export const MESSAGES = {
  // Either protocol.
  ping: message(
    0x03,
    ["any"],
    "Asks for a pong; from the proxy to a function it also counts as activity.",
    { nonce: u32 },
  ),
  pong: message(0x04, ["any"], "Answers a ping with its nonce.", { nonce: u32 }),
  refused: message(0x05, ["proxy", "function"], "Why the connection is about to be closed.", {
    code: text(64),
    reason: text(1_024),
  }),
  data: message(
    0x06,
    ["any"],
    "A part of a chunk, as the frame's body, from byte `offset` of the chunk. `attempt` echoes the chunk's announcement.",
    { ...place, attempt: u8, offset: u32 },
  ),
  credit: message(
    0x07,
    ["any"],
    "The receiver of a chunk allows `bytes` more than it has allowed so far.",
    { ...place, bytes: u32 },
  ),
  cancel: message(
    0x08,
    ["any"],
    "The sender has no more use for this channel; nothing is answered.",
    {},
  ),
  failed: message(0x09, ["proxy"], "The operation of this channel failed; the channel is over.", {
    code: text(64),
    reason: text(1_024),
  }),

  // Client and proxy: the connection.
  hello: message(0x10, ["client"], "First message of a client.", {
    clientId: bytes(16),
    token: text(4_096),
    epoch: u32,
    agent: text(128),
  }),
  welcome: message(0x11, ["proxy"], "Answers hello.", {
    generation: u32,
    term: u32,
    epoch: u32,
    poolNodes: u16,
    codeRules: listOf(struct({ bytesBelow: u53, dataChunks: u8, parityChunks: u8 }), 16),
  }),
  membership: message(
    0x12,
    ["proxy"],
    "The document the proxy works by, where it is newer than what the client has named. `id` is the name of a member's pool.",
    {
      epoch: u32,
      virtualNodes: u16,
      members: listOf(struct({ id: text(40), address: text(255), weight: u8 }), MEMBERS_MAX),
    },
  ),
  epoch: message(
    0x13,
    ["client"],
    "From here on the client's requests are made by the document of this number.",
    { epoch: u32 },
  ),
  wrongEpoch: message(
    0x14,
    ["proxy"],
    "By the document `epoch` this proxy does not serve the request, or not yet; nothing was done, and the channel is over. A newer document than the client's was sent before.",
    { epoch: u32 },
  ),

  // Client and proxy: PUT.
  putOpen: message(
    0x20,
    ["client"],
    "Begins a PUT of `bytes` (2^53 - 1: not known yet); `sequence` makes a retry take effect once. ttlMs 0: for ever. lease 0: none; else it takes effect only while that lease is held and nobody has changed the key.",
    {
      key,
      sequence: u53,
      bytes: u53,
      dataChunks: u8,
      parityChunks: u8,
      ttlMs: u53,
      ifAbsent: flag,
      lease: u53,
      deadlineMs: u32,
      metadata,
    },
  ),
  putOpened: message(
    0x21,
    ["proxy"],
    "The version this PUT will have: part of every chunk's identity.",
    { version: u53, generation: u32 },
  ),
  putStripe: message(
    0x22,
    ["client"],
    "Announces a stripe of `bytes`; the proxy reserves nodes for its chunks.",
    { stripe: u32, bytes: u32 },
  ),
  putChunk: message(
    0x23,
    ["client"],
    "Announces a chunk; its parts follow as data frames, within credit. attempt counts from 0.",
    { ...place, attempt: u8, bytes: u32, ...digest },
  ),
  resend: message(
    0x24,
    ["proxy"],
    "The chunk's node was lost or refused it: send it again as this attempt. Parts of earlier attempts are ignored.",
    { ...place, attempt: u8 },
  ),
  stripeStored: message(
    0x25,
    ["proxy"],
    "Enough chunks of the stripe are confirmed; its buffers are the client's again.",
    { stripe: u32 },
  ),
  putCommit: message(
    0x26,
    ["client"],
    "All stripes are announced and sent, or on their way; acknowledge when they are stored.",
    { stripeCount: u32, stripeBytes: u32, lastStripeBytes: u32, bytes: u53 },
  ),
  putDone: message(
    0x27,
    ["proxy"],
    "The PUT took effect, or the object existed and `ifAbsent` was asked, or its lease is of no use any more.",
    { outcome: oneOf("stored", "exists"), version: u53 },
  ),

  // Client and proxy: GET.
  get: message(
    0x30,
    ["client"],
    "Begins a GET of the bytes [rangeStart, rangeEnd); the proxy starts on the first `stripesAhead` stripes of the range at once. rangeEnd may lie beyond the end. Where the current version is `knownVersion` of `knownGeneration`, the answer is `unchanged`, and nothing is sent; knownVersion 0: none. `isWholeBad`: a `whole` of it came and did not match its digest.",
    {
      key,
      rangeStart: u53,
      rangeEnd: u53,
      stripesAhead: u16,
      wantAll: flag,
      deadlineMs: u32,
      knownGeneration: u32,
      knownVersion: u53,
      isWholeBad: flag,
    },
  ),
  unchanged: message(
    0x39,
    ["proxy"],
    "The version that the get named is the current one; the channel is over.",
    { version: u53 },
  ),
  found: message(
    0x31,
    ["proxy"],
    "What the object is. `firstStripe` and `endStripe` say which stripes the range touches.",
    { ...described, firstStripe: u32, endStripe: u32 },
  ),
  whole: message(
    0x3a,
    ["proxy"],
    "What the object is, and, in the one data frame that follows, chunk `index` of its only stripe, from which it can be read; the channel is over with that. Where it does not match its digest the get is sent again.",
    { ...described, index: u8, ...digest },
  ),
  miss: message(
    0x32,
    ["proxy"],
    "No object, or too little of it within reach; the channel is over.",
    { reason: oneOf("absent", "expired", "lost", "unreachable") },
  ),
  getStripe: message(0x33, ["client"], "The client has memory for one more stripe of the range.", {
    stripe: u32,
  }),
  chunk: message(
    0x34,
    ["proxy"],
    "A chunk's parts follow as data frames; `bytes` is its length. Announced again with a higher attempt, it begins anew at offset 0.",
    { ...place, attempt: u8, bytes: u32, ...digest },
  ),
  chunkBad: message(
    0x35,
    ["client"],
    "The chunk did not match its digest: an erasure. The proxy sends another of the stripe.",
    { ...place },
  ),
  erasures: message(
    0x36,
    ["proxy"],
    "These chunks of the stripe are proven missing; the client may repair them.",
    { stripe: u32, indexes: listOf(u8, CHUNKS_PER_STRIPE_MAX) },
  ),
  getDone: message(
    0x37,
    ["client"],
    "The client has what it wants; the proxy unpins the version.",
    {},
  ),
  stat: message(0x38, ["client"], "Like get, without bytes: answered by found or miss.", { key }),

  // Client and proxy: the rest.
  remove: message(0x40, ["client"], "Deletes the object.", { key, sequence: u53 }),
  removed: message(0x41, ["proxy"], "Nothing of that key can be read any more.", { existed: flag }),
  list: message(0x42, ["client"], "Keys with a prefix, in order of their bytes, after `after`.", {
    prefix: text(KEY_BYTES_MAX),
    after: text(KEY_BYTES_MAX),
    limit: u16,
  }),
  listing: message(
    0x43,
    ["proxy"],
    "One page; `isLast` when nothing follows. The proxy may answer with fewer rows than asked.",
    {
      objects: listOf(
        struct({ key, bytes: u53, version: u53, createdAtMs: u53, expiresAtMs: u53 }),
        1_000,
      ),
      isLast: flag,
    },
  ),
  repair: message(
    0x44,
    ["client"],
    "Offers a re-created chunk of exactly this version; its parts follow as data frames.",
    { key, version: u53, ...place, bytes: u32, ...digest },
  ),
  repaired: message(0x45, ["proxy"], "What became of it.", {
    outcome: oneOf("stored", "obsolete", "refused"),
  }),
  status: message(0x46, ["client"], "Asks for the proxy's state.", {}),
  statusReport: message(0x47, ["proxy"], "A piece of the state as JSON text.", {
    json: text(60_000),
    isLast: flag,
  }),
  clear: message(0x48, ["client"], "Deletes every object whose key has the prefix.", {
    prefix: text(KEY_BYTES_MAX),
    sequence: u53,
  }),
  cleared: message(0x49, ["proxy"], "How many were deleted.", { count: u53 }),
  ...LEASE_MESSAGES,

  // Proxy and function: the link.
  challenge: message(0x60, ["proxy"], "First message on a connection that a function dialled.", {
    nonce: bytes(32),
  }),
  functionHello: message(
    0x61,
    ["function"],
    "An instance speaks for an invocation; `proof` is over the challenge and everything here.",
    {
      node: u16,
      instance: bytes(16),
      nonce: bytes(32),
      proof: bytes(32),
      generation: u32,
      storeDigestLow: u32,
      storeDigestHigh: u32,
      chunks: u32,
      usedBytes: u53,
      budgetBytes: u53,
      redials: u16,
      isFresh: flag,
    },
  ),
  functionWelcome: message(
    0x62,
    ["proxy"],
    "The proxy proves itself; the store of another generation is to be dropped before anything else.",
    { proof: bytes(32), generation: u32 },
  ),
  bye: message(
    0x63,
    ["function"],
    "The instance wants to return; it has seen `requestsSeen` requests in this invocation. `isFinal`: it must, whatever is under way.",
    { requestsSeen: u32, isFinal: flag },
  ),
  byeOk: message(0x64, ["proxy"], "Nothing more will come in this invocation.", {}),
  hold: message(
    0x65,
    ["proxy"],
    "Stay awake for `forMs` from now, whatever the billing policy says.",
    { forMs: u32 },
    { isRequest: true },
  ),
  chunkPut: message(
    0x66,
    ["proxy"],
    "Store this chunk; its parts follow.",
    { ...chunkIdentity, bytes: u32, ...digest },
    { isRequest: true },
  ),
  chunkStored: message(0x67, ["function"], "Verified and stored.", { usedBytes: u53 }),
  chunkRefused: message(0x68, ["function"], "Not stored.", {
    reason: oneOf("full", "corrupt", "interrupted"),
    usedBytes: u53,
    budgetBytes: u53,
  }),
  chunkGet: message(
    0x69,
    ["proxy"],
    "Send this chunk from `offset`; at most `credit` bytes before more is granted.",
    { ...chunkIdentity, offset: u32, credit: u32 },
    { isRequest: true },
  ),
  chunkFound: message(0x6a, ["function"], "Its parts follow as data frames.", {
    bytes: u32,
    ...digest,
  }),
  chunkAbsent: message(0x6b, ["function"], "This instance does not have it.", {}),
  chunkDrop: message(
    0x6c,
    ["proxy"],
    "Forget these chunks.",
    { chunks: listOf(struct(chunkIdentity), 1_000) },
    { isRequest: true },
  ),
  chunkVerify: message(
    0x6f,
    ["proxy"],
    "A reader says this chunk is corrupt: check it against its digest, and forget it if that is so. Answered by chunkStored or chunkAbsent.",
    { ...chunkIdentity },
    { isRequest: true },
  ),
  inventoryGet: message(0x6d, ["proxy"], "Say what you hold.", {}, { isRequest: true }),
  inventory: message(0x6e, ["function"], "A page of what the instance holds.", {
    chunks: listOf(struct({ ...chunkIdentity, bytes: u32 }), 1_000),
    isLast: flag,
  }),

  ...DIRECT_MESSAGES,
  ...REPAIR_MESSAGES,
} as const;

/** The name of a message. */
export type MessageKind = keyof typeof MESSAGES;
/** The fields of a message. */
export type FieldsOf<K extends MessageKind> = FieldValues<(typeof MESSAGES)[K]["fields"]>;
/** A message, told apart by `kind`. */
export type MessageOf<K extends MessageKind> = { readonly kind: K } & FieldsOf<K>;
/** Any message. */
export type Message = { [K in MessageKind]: MessageOf<K> }[MessageKind];
/** The identity of a chunk as it stands in messages. */
export interface WireChunkId {
  readonly keyHash: Uint8Array;
  readonly version: number;
  readonly stripe: number;
  readonly index: number;
}
