// The messages of the direct path: what client, proxy and function say so that chunks go between client and function
// without passing through the proxy, and what the two say to each other then. The path is in docs/protocol/direct.md.

import { CHUNKS_PER_STRIPE_MAX } from "../core/limits.ts";
import { chunkIdentity, digest, message, place } from "./description.ts";
import { bytes, flag, listOf, struct, text, u8, u32 } from "./schema.ts";

const ticket = bytes(16);

/** Part of the one list of messages. */
export const DIRECT_MESSAGES = {
  listen: message(
    0x50,
    ["client"],
    "Functions may dial the client at `address`; from `secret` and an instance id comes the key of their connection.",
    { address: text(255), secret: bytes(32) },
  ),
  askDirect: message(
    0x51,
    ["client"],
    "Behind putStripe: which chunks of the stripe may go straight to their functions?",
    { stripe: u32 },
  ),
  stripeOpened: message(
    0x52,
    ["proxy"],
    "Answers askDirect: these chunks go directly, as attempt 0, against these tickets; the others through the proxy.",
    {
      stripe: u32,
      direct: listOf(struct({ index: u8, instance: bytes(16), ticket }), CHUNKS_PER_STRIPE_MAX),
    },
  ),
  chunkDirect: message(
    0x53,
    ["proxy"],
    "GET: the chunk can be had from this instance against this ticket; a `chunk` of a higher attempt takes its place.",
    { ...place, attempt: u8, instance: bytes(16), ticket },
  ),
  notReceived: message(
    0x54,
    ["client"],
    "The direct transfer of this attempt came to nothing; the proxy takes the chunk on itself.",
    { ...place, attempt: u8 },
  ),
  directDial: message(
    0x55,
    ["proxy"],
    "Make a connection to the client `peer` at `address`, unless there is one. Answered by directState.",
    { peer: u32, address: text(255), pairKey: bytes(32) },
    { isRequest: true },
  ),
  directState: message(
    0x56,
    ["function"],
    "Whether there is a connection on which both sides have proven themselves.",
    { isUp: flag },
  ),
  chunkSend: message(
    0x57,
    ["proxy"],
    "Send this chunk to the client `peer` when it redeems the ticket. Answered by chunkDelivered, undelivered or chunkAbsent.",
    { ...chunkIdentity, peer: u32, ticket },
    { isRequest: true },
  ),
  chunkDelivered: message(0x58, ["function"], "The client has said that it has all of it.", {}),
  undelivered: message(
    0x59,
    ["function"],
    "The chunk is here, but could not be brought to the client.",
    {},
  ),
  chunkTake: message(
    0x5a,
    ["proxy"],
    "Fetch this chunk from the client `peer` by redeeming the ticket, and store it. Answered as chunkPut.",
    { ...chunkIdentity, bytes: u32, ...digest, peer: u32, ticket },
    { isRequest: true },
  ),
  directHello: message(
    0x5b,
    ["function"],
    "First message to a client that was dialled; `proof` is by the key of the two.",
    { instance: bytes(16), nonce: bytes(32), proof: bytes(32) },
  ),
  directChallenge: message(
    0x5c,
    ["client"],
    "Answers a directHello whose proof is right: the client's own proof, and a nonce that was never used.",
    { nonce: bytes(32), proof: bytes(32) },
  ),
  directProof: message(0x5d, ["function"], "The proof over the client's nonce.", {
    proof: bytes(32),
  }),
  directWelcome: message(0x5e, ["client"], "Tickets may be redeemed from here on.", {}),
  redeem: message(
    0x5f,
    ["client", "function"],
    "Send what this ticket is for, on this channel. The receiver of a chunk chooses the channel: a client odd ones, a function even ones, each once.",
    { ticket },
  ),
  taken: message(
    0x4f,
    ["client"],
    "The chunk of this channel has come whole and is what its digest says.",
    {},
  ),
} as const;
