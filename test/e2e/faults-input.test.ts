// Bad input and forged peers on the client and the function port: random bytes, frames of real traffic with bits
// changed, well-formed frames that make no sense, functions that are none. Beside all of it one client goes on reading.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect as dial, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { helloProofText, nodeKey } from "../../src/core/invocation.ts";
import { NodeCrypto } from "../../src/host/node-crypto.ts";
import { seededRandom } from "../../src/platform/lambda-service/seeded-random.ts";
import type { Envelope } from "../../src/wire/connection.ts";
import { HEADER_BYTES, readHeader } from "../../src/wire/frame.ts";
import { decodeMessage, FrameEncoder } from "../../src/wire/message-codec.ts";
import { MESSAGES, type Message, type MessageOf } from "../../src/wire/messages.ts";
import type { FaultLink } from "../support/fault-proxy.ts";
import { nodeOf } from "../support/nodes.ts";
import { startPool, type TestPool, until } from "../support/pool.ts";
import { arbitraryLetter } from "../unit/wire/arbitrary-messages.ts";
import { makeBytes } from "./support/bytes.ts";

const NODES = 6;
const SEED = 32;
const BYTES = 1_000_000;
const CONNECTIONS = 120;
/** How long a connection is listened to; what is closed is closed at once. */
const LISTEN_MS = 250;
const ENCODER = new FrameEncoder();
const CLIENT_ENVELOPE: Envelope = { channel: 0, term: 0, invocation: 0 };

test("32: random, mutated and senseless frames on both ports are refused, and disturb nobody", async (context) => {
  const pool = await startPool(context, { nodes: NODES, code: "4+2" });
  const random = seededRandom(SEED);
  const recorded = record(pool);
  const lettersOf = (peer: "client" | "function") =>
    fc
      .sample(arbitraryLetter(peer), { numRuns: CONNECTIONS * 5, seed: SEED })
      // That would be no nonsense, and be done.
      .filter(({ message }) => message.kind !== "clear");
  const generated = { client: lettersOf("client"), function: lettersOf("function") };
  const victim = await startVictim(pool);
  const ports = { client: pool.url, function: pool.proxy.ready.functions };
  let refused = 0;
  for (const peer of ["client", "function"] as const) {
    const letters = generated[peer];
    const batch: Promise<boolean>[] = [];
    for (let index = 0; index < CONNECTIONS; index++) {
      const kind = index % 3;
      const bytes =
        kind === 0
          ? randomBytes(random, 1 + random.below(2_000))
          : kind === 1
            ? mutated(random, recorded[peer])
            : Buffer.concat([
                ...(peer === "client" ? [hello()] : []),
                ...letters
                  .slice(4 * index, 4 * index + 4)
                  .flatMap(({ envelope, message, body }) => [
                    ENCODER.encode(sensible(peer, envelope, index), message, body?.length ?? 0),
                    body ?? new Uint8Array(0),
                  ]),
              ]);
      batch.push(throwAt(ports[peer], bytes));
      if (batch.length === 20)
        refused += (await Promise.all(batch.splice(0))).filter(Boolean).length;
    }
    refused += (await Promise.all(batch)).filter(Boolean).length;
  }
  const { reads, slowestMs } = await victim.stop();
  context.diagnostic(
    `${refused} of ${2 * CONNECTIONS} connections were closed at once; the reader beside them: ${reads} hits, slowest ${slowestMs.toFixed(0)} ms`,
  );
  // Bytes that end in the middle of a frame may just be waited for.
  assert(refused > CONNECTIONS, `${refused} refused`);
  assert(reads > 10);
  const { protocolFaults } = (await pool.status()).counters;
  assert(protocolFaults >= refused / 2, `${protocolFaults} counted`);
  const { instancesStarted, crashes } = await pool.admin.counters();
  assert.deepEqual({ instancesStarted, crashes }, { instancesStarted: NODES, crashes: 0 });
  assert.equal(pool.proxy.child.exitCode, null);
});

test("34: forged functions are refused and counted, and the living links undisturbed", async (context) => {
  const pool = await startPool(context, { nodes: NODES, code: "4+2", linger: "20s" });
  const victim = await startVictim(pool);
  const crypto = new NodeCrypto();
  // Cut, it dials again: its hello is then of the invocation under way, and not one that is over and merely ignored.
  const before = pool.functionFaults.links;
  for (const link of before) if (nodeOf(link) === 0) link.cut();
  let genuine: FaultLink | undefined;
  await until("the function has dialled again", 10_000, () => {
    genuine = pool.functionFaults.links.find(
      (link) => nodeOf(link) === 0 && !before.includes(link),
    );
    return genuine !== undefined && genuine.bytes.down > 2 * HEADER_BYTES + 32;
  });
  assert(genuine !== undefined);
  const { head } = genuine;
  const header = readHeader(head, 0);
  // Proof of the cast: nodeOf has looked at the type.
  const real = decodeMessage("function", MESSAGES.functionHello.type, head, {
    at: HEADER_BYTES,
    end: HEADER_BYTES + header.fieldBytes,
  }) as MessageOf<"functionHello">;
  const secret = Buffer.from(
    readFileSync(join(pool.stateDir, "pool-secret"), "utf8").trim(),
    "hex",
  );
  const keyOf = (node: number) => nodeKey(crypto, secret, "infinicache", node);
  const proven = (key: Uint8Array, challenge: Uint8Array, node: number): Message => {
    const { instance, nonce, generation } = real;
    const { term, invocation } = header;
    const text = helloProofText(challenge, nonce, instance, { node, term, invocation, generation });
    return { ...real, node, proof: crypto.hmacSha256(key, text) };
  };
  const forgeries: Record<string, (challenge: Uint8Array) => Message> = {
    "no proof": () => ({ ...real, proof: new Uint8Array(32) }),
    "a guessed proof": () => ({ ...real, proof: crypto.randomBytes(32) }),
    "a replayed hello": () => real,
    "a proof over a guessed challenge": () => proven(keyOf(0), crypto.randomBytes(32), 0),
    "another node's key": (challenge) => proven(keyOf(1), challenge, 0),
    "a node that is not there": (challenge) => proven(keyOf(0), challenge, NODES + 7),
    "another pool's key": (challenge) =>
      proven(nodeKey(crypto, secret, "another", 0), challenge, 0),
  };
  const { forgeries: forgeriesBefore } = (await pool.status()).counters;
  const envelope = { channel: 0, term: header.term, invocation: header.invocation };
  for (const [name, forge] of Object.entries(forgeries)) {
    for (let time = 0; time < 5; time++)
      assert.equal(await sayHello(pool, envelope, forge), "ICACHE_AUTH", name);
  }
  const { counters } = await pool.status();
  assert.equal(counters.forgeries - forgeriesBefore, 5 * Object.keys(forgeries).length);
  const { reads } = await victim.stop();
  assert(reads > 0);
  assert(pool.functionFaults.links.includes(genuine), "the living link was closed");
  assert.equal((await pool.admin.counters()).instancesStarted, NODES);
});

/** Reads one object again and again; every read must hit. */
async function startVictim(pool: TestPool) {
  const cache = pool.client();
  const body = makeBytes(1, BYTES);
  await cache.put("object", body);
  let [isOver, reads, slowestMs] = [false, 0, 0];
  const reading = (async () => {
    while (!isOver) {
      const startedAt = performance.now();
      const read = await cache.get("object");
      const seen = read.kind === "hit" ? "other bytes" : read.reason;
      assert(read.kind === "hit" && body.equals(read.bytes), `the reader beside it saw ${seen}`);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      reads++;
      await new Promise((done) => setTimeout(done, 10));
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await reading;
      return { reads, slowestMs };
    },
  };
}

/** Real bytes of both protocols, from their beginning. */
function record(pool: TestPool): Record<"client" | "function", Buffer> {
  const heads = pool.functionFaults.links.map(({ head }) => Buffer.from(head));
  const put: Message = {
    ...{ kind: "putOpen", key: "object", sequence: 1, bytes: 400, ttlMs: 0, lease: 0 },
    ...{ dataChunks: 4, parityChunks: 2, ifAbsent: false, deadlineMs: 1_000, metadata: [] },
  };
  const chunk: Message = {
    ...{ kind: "putChunk", stripe: 0, index: 0, attempt: 0, bytes: 100 },
    ...{ digestLow: 1, digestHigh: 2 },
  };
  const part: Message = { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 };
  const on1 = { ...CLIENT_ENVELOPE, channel: 1 };
  const client = [
    hello(),
    ENCODER.encode(on1, put, 0),
    ENCODER.encode(on1, { kind: "putStripe", stripe: 0, bytes: 400 }, 0),
    ENCODER.encode(on1, chunk, 0),
    ENCODER.encode(on1, part, 100),
    Buffer.alloc(100, 7),
    ENCODER.encode({ ...CLIENT_ENVELOPE, channel: 2 }, { kind: "stat", key: "object" }, 0),
  ];
  return { client: Buffer.concat(client), function: Buffer.concat(heads) };
}

function hello(): Uint8Array {
  const clientId = new Uint8Array(16).fill(9);
  return ENCODER.encode(
    CLIENT_ENVELOPE,
    { kind: "hello", clientId, token: "", epoch: 0, agent: "" },
    0,
  );
}

/** Well-formed frames reach further when they name a channel that exists. */
function sensible(peer: string, envelope: Envelope, index: number): Envelope {
  if (peer === "client") return { channel: 1 + (index % 3), term: 0, invocation: 0 };
  return index % 2 === 0 ? envelope : { ...envelope, channel: 0 };
}

function randomBytes(random: ReturnType<typeof seededRandom>, count: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: count }, () => random.below(256)));
}

function mutated(random: ReturnType<typeof seededRandom>, bytes: Buffer): Buffer {
  const made = Buffer.from(bytes);
  for (let flips = 1 + random.below(4); flips > 0; flips--) {
    const at = random.below(made.length);
    made[at] = (made[at] ?? 0) ^ (1 << random.below(8));
  }
  const [from, to] = [random.below(made.length), random.below(made.length)];
  const isCut = random.below(3) === 0;
  return isCut ? Buffer.concat([made.subarray(0, from), made.subarray(to)]) : made;
}

/** True when the other side has closed within a moment. */
async function throwAt(address: string, bytes: Uint8Array): Promise<boolean> {
  const socket = open(address);
  socket.resume();
  socket.write(bytes);
  const closed = new Promise<boolean>((resolve) => socket.once("close", () => resolve(true)));
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), LISTEN_MS));
  const isClosed = await Promise.race([closed, late]);
  socket.destroy();
  return isClosed;
}

/** Dials as a function, waits for the challenge, says this hello; the code of the refusal. */
async function sayHello(
  pool: TestPool,
  envelope: Envelope,
  forge: (challenge: Uint8Array) => Message,
): Promise<string> {
  const socket = open(pool.proxy.ready.functions);
  let came = Buffer.alloc(0);
  let hasAnswered = false;
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("neither refused nor closed")), 5_000);
    const end = (code: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(code);
    };
    socket.once("close", () => end("closed without a word"));
    socket.on("data", (part) => {
      came = Buffer.concat([came, part]);
      while (came.length >= HEADER_BYTES) {
        const { type, fieldBytes } = readHeader(came, 0);
        const bytes = HEADER_BYTES + fieldBytes;
        if (came.length < bytes) return;
        const message = decodeMessage("proxy", type, came, { at: HEADER_BYTES, end: bytes });
        came = came.subarray(bytes);
        if (message.kind === "refused") return end(message.code);
        if (message.kind === "functionWelcome") return end("welcomed");
        if (message.kind !== "challenge" || hasAnswered) continue;
        hasAnswered = true;
        socket.write(ENCODER.encode(envelope, forge(message.nonce), 0));
      }
    });
  });
}

function open(address: string): Socket {
  const at = address.lastIndexOf(":");
  const socket = dial({ host: address.slice(0, at), port: Number(address.slice(at + 1)) });
  socket.on("error", () => {}); // Whatever becomes of it shows in its end.
  return socket;
}
