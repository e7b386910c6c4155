// The pool of the client's buffers.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BufferPool, type Lease } from "../../../src/client/buffer-pool.ts";
import { Gate } from "../../../src/client/gate.ts";

test("a pool lends up to its maximum, serves who waits in order, and uses memory again", () => {
  let made = 0;
  const pool = new BufferPool(1_000_000, (bytes) => {
    made += 1;
    return new Uint8Array(bytes);
  });
  const granted: string[] = [];
  const leases = new Map<string, Lease>();
  const ask = (name: string, bytes: number) =>
    pool.acquire(bytes, (lease) => {
      granted.push(name);
      leases.set(name, lease);
    });
  ask("a", 600_000);
  ask("b", 600_000);
  const withdraw = ask("c", 100_000);
  ask("d", 100_000);
  assert.deepEqual(granted, ["a"], "c and d do not overtake b");
  assert.equal(pool.tryAcquire(1), null, "nobody overtakes who waits");
  leases.get("a")?.memory();
  withdraw();
  leases.get("a")?.release();
  assert.deepEqual(granted, ["a", "b", "d"]);
  leases.get("b")?.release();
  leases.get("d")?.release();
  assert.equal(pool.usedBytes, 0);
  const large = pool.tryAcquire(5_000_000);
  assert.ok(large !== null, "what is larger than the pool is lent when nothing else is");
  large.release();
  const kept = pool.take(200_000);
  const first = kept.memory();
  assert.equal(first.length, 200_000);
  kept.release();
  const madeBefore = made;
  const again = pool.take(200_000);
  assert.equal(again.memory().buffer, first.buffer);
  assert.equal(made, madeBefore);
  again.discard();
  assert.notEqual(
    pool.take(200_000).memory().buffer,
    first.buffer,
    "discarded memory is not used again",
  );
});

test("a pool never lends one buffer twice and forgets no byte, whatever happens", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          kind: fc.constantFrom("take", "ask", "release", "shrink", "discard"),
          bytes: fc.integer({ min: 0, max: 400_000 }),
          pick: fc.nat(50),
        }),
        { maxLength: 60 },
      ),
      (steps) => {
        const pool = new BufferPool(700_000, (bytes) => new Uint8Array(bytes));
        const held: Lease[] = [];
        for (const { kind, bytes, pick } of steps) {
          const at = held.length === 0 ? -1 : pick % held.length;
          const lease = held[at];
          if (kind === "take") held.push(pool.take(bytes));
          else if (kind === "ask") pool.acquire(bytes, (granted) => held.push(granted));
          else if (
            lease !== undefined &&
            kind === "shrink" &&
            bytes <= lease.bytes &&
            pick % 2 === 0
          )
            held[at] = lease;
          else if (lease !== undefined && kind !== "shrink") {
            held.splice(at, 1);
            if (kind === "release") {
              lease.memory();
              lease.release();
            } else lease.discard();
          }
          const live = held.map((each) => each.memory()).filter((memory) => memory.length > 0);
          assert.equal(new Set(live.map((memory) => memory.buffer)).size, live.length);
          assert.equal(
            pool.usedBytes,
            held.reduce((sum, each) => sum + each.bytes, 0),
          );
        }
      },
    ),
    { numRuns: 100, seed: 3 },
  );
});

test("a gate admits so many, lets so many wait in order, and refuses the rest", () => {
  const gate = new Gate(2, 2);
  const admitted: number[] = [];
  const withdrawals = [1, 2, 3, 4, 5].map((who) => gate.enter(() => admitted.push(who)));
  assert.deepEqual(admitted, [1, 2]);
  assert.equal(withdrawals[4], null);
  withdrawals[2]?.();
  gate.leave();
  assert.deepEqual(admitted, [1, 2, 4]);
  assert.equal(gate.insideCount, 2);
});
