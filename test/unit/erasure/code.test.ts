/**
 * The codes by name: every loss pattern, fixed vectors, short shards, wrong inputs; on both kernels alike.
 * Random codes, alignments and arenas are the property test's.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCode, createPortableCode, type ErasureCode } from "../../../src/erasure/code.ts";
import { bytesOf, encodeNaive, subsets } from "./naive.ts";

const KERNELS: readonly (readonly [string, (d: number, p: number) => ErasureCode])[] = [
  ["wasm", createCode],
  ["portable", createPortableCode],
];

const NAMED = [
  [10, 2],
  [10, 4],
  [10, 1],
  [5, 1],
  [4, 2],
  [1, 2],
  [10, 0],
] as const;

/** Loses the given shards of a coded object, reconstructs them into dirty buffers, and compares. */
function checkLoss(
  code: ErasureCode,
  shards: readonly Uint8Array[],
  lost: readonly number[],
): void {
  const shardBytes = Math.max(...shards.map((shard) => shard.length));
  const wanted = shards.map((_, index) => lost.includes(index));
  const present = wanted.map((isLost) => !isLost);
  const held = shards.map((shard, index) =>
    wanted[index] ? new Uint8Array(shard.length).fill(0xee) : shard,
  );
  code.reconstruct(held, present, wanted, shardBytes);
  for (const index of lost) {
    assert.deepEqual(held[index], shards[index], `shard ${index} after the loss of ${lost}`);
  }
}

for (const [kernel, create] of KERNELS) {
  for (const [dataShards, parityShards] of NAMED) {
    test(`code ${dataShards}+${parityShards} (${kernel}): every loss pattern is reconstructed`, () => {
      const code = create(dataShards, parityShards);
      const shardBytes = 97; // A whole column, and a tail that no vector divides.
      const data = Array.from({ length: dataShards }, (_, index) => bytesOf(index, shardBytes));
      const parity = data
        .slice(0, 0)
        .concat(Array.from({ length: parityShards }, () => new Uint8Array(shardBytes)));
      code.encode(data, parity, shardBytes);
      assert.deepEqual(parity, encodeNaive(data, parityShards, shardBytes));
      for (const lost of subsets(dataShards + parityShards, parityShards)) {
        checkLoss(code, [...data, ...parity], lost);
      }
    });
  }

  test(`code (${kernel}): fixed vectors`, () => {
    // Computed by an independent program from the definition in matrix.ts.
    const columns = [
      "0065ca2f94",
      "258bf35dc9",
      "4ab11c8bfe",
      "6fd745b933",
      "94fd6ee768",
      "b92397159d",
      "de49c043d2",
      "036fe97107",
      "2895129f3c",
      "4dbb3bcd71",
    ];
    for (const [dataShards, expected] of [
      [6, ["2d5699b265", "2d3a510459"]],
      [10, ["955e99d2fd", "45d8ab5532", "ff261f1127", "2f44fbea0c"]],
      [3, ["6f5f25f9a3", "0033e88d1b", "e8e5fa3cfd", "b663bebd72", "c3b52decc0"]],
    ] as const) {
      const data = columns
        .slice(0, dataShards)
        .map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
      const parity = expected.map(() => new Uint8Array(5));
      create(dataShards, expected.length).encode(data, parity, 5);
      assert.deepEqual(
        parity.map((shard) => Buffer.from(shard).toString("hex")),
        expected,
      );
    }
  });

  test(`code (${kernel}): data shards may be short or empty, and only their own length comes back`, () => {
    const code = create(4, 2);
    const shardBytes = 200;
    const data = [200, 130, 64, 0].map((byteCount, index) => bytesOf(index, byteCount));
    const parity = [new Uint8Array(shardBytes), new Uint8Array(shardBytes)];
    code.encode(data, parity, shardBytes);
    assert.deepEqual(parity, encodeNaive(data, 2, shardBytes));
    assert.ok(code.verify(data, parity, shardBytes));
    for (const lost of subsets(6, 2)) checkLoss(code, [...data, ...parity], lost);
  });

  test(`code (${kernel}): verify sees one flipped bit in any shard, at any place`, () => {
    const code = create(3, 3);
    const data = [0, 1, 2].map((index) => bytesOf(index, 150));
    const parity = [0, 1, 2].map(() => new Uint8Array(150));
    code.encode(data, parity, 150);
    assert.ok(code.verify(data, parity, 150));
    for (const shard of [...data, ...parity]) {
      for (const at of [0, 63, 64, 127, 128, 149]) {
        shard[at] = (shard[at] ?? 0) ^ 4;
        assert.ok(!code.verify(data, parity, 150));
        shard[at] = (shard[at] ?? 0) ^ 4;
      }
    }
  });

  test(`code (${kernel}): encode leaves out null parity, and reconstruct leaves the unwanted alone`, () => {
    const code = create(3, 3);
    const data = [0, 1, 2].map((index) => bytesOf(index, 70));
    const expected = encodeNaive(data, 3, 70);
    for (let kept = 0; kept < 8; kept += 1) {
      const parity = expected.map((_, row) => ((kept >> row) & 1 ? new Uint8Array(70) : null));
      code.encode(data, parity, 70);
      parity.forEach((shard, row) => {
        if (shard !== null) assert.deepEqual(shard, expected[row]);
      });
    }
    const unwanted = new Uint8Array(70).fill(7);
    const wanted = new Uint8Array(70);
    const present = [false, true, false, true, false, true];
    const flags = [false, false, true, false, false, false];
    code.reconstruct(
      [unwanted, data[1] ?? null, wanted, expected[0] ?? null, null, expected[2] ?? null],
      present,
      flags,
      70,
    );
    assert.deepEqual(wanted, data[2]);
    assert.deepEqual(unwanted, new Uint8Array(70).fill(7));
  });

  test(`code (${kernel}): wrong inputs are refused before anything is written`, () => {
    const code = create(2, 1);
    const a = new Uint8Array(8).fill(1);
    const b = new Uint8Array(8).fill(2);
    const c = new Uint8Array(8).fill(9);
    const yes = [true, true, false];
    const no = [false, false, false];
    const third = [false, false, true];
    const cases: readonly (readonly [string, () => void, RegExp])[] = [
      ["too few data shards", () => code.encode([a], [c], 8), /2\+1.*1\+1/],
      ["too many parity shards", () => code.encode([a, b], [c, c], 8), /2\+1.*2\+2/],
      ["data longer than the shard", () => code.encode([a, b], [new Uint8Array(7)], 7), /shard 0/],
      ["parity too short", () => code.encode([a, b], [new Uint8Array(7)], 8), /shard 2 has 7/],
      ["parity too long", () => code.encode([a, b], [new Uint8Array(9)], 8), /shard 2 has 9/],
      ["negative size", () => code.encode([a, b], [c], -1), /shardBytes/],
      ["fractional size", () => code.encode([a, b], [c], 8.5), /shardBytes/],
      ["verify without parity", () => code.verify([a, b], [], 8), /2\+1.*2\+0/],
      ["too few flags", () => code.reconstruct([a, b, c], [true, true], third, 8), /flags/],
      ["too few shards", () => code.reconstruct([a, b], yes, third, 8), /2\+1.*2\+0/],
      ["present and wanted", () => code.reconstruct([a, b, c], yes, yes, 8), /present and wanted/],
      ["present but null", () => code.reconstruct([null, b, c], yes, third, 8), /shard 0.*null/],
      ["wanted but null", () => code.reconstruct([a, b, null], yes, third, 8), /shard 2.*null/],
      [
        "fewer than d present",
        () => code.reconstruct([a, b, c], [true, false, false], third, 8),
        /1 shards are present, 2 are needed/,
      ],
      ["none present", () => code.reconstruct([a, b, c], no, no, 8), /0 shards are present/],
    ];
    for (const [name, call, message] of cases) {
      assert.throws(
        call,
        (error) => error instanceof RangeError && message.test(error.message),
        name,
      );
    }
    assert.deepEqual([a[0], b[0], c[0]], [1, 2, 9]);
  });

  test(`code (${kernel}): shards of no bytes, and nothing wanted, are no work`, () => {
    const empty = new Uint8Array(0);
    const code = create(2, 2);
    code.encode([empty, empty], [empty, empty], 0);
    assert.ok(code.verify([empty, empty], [empty, empty], 0));
    const allPresent = [true, true, true, true];
    code.reconstruct([empty, empty, empty, empty], allPresent, [false, false, false, false], 0);
  });
}

test("code: with one data shard every parity shard is a copy of it", () => {
  const data = Uint8Array.from({ length: 300 }, (_, index) => (index * 7) % 256);
  for (const code of [createCode(1, 254), createPortableCode(1, 254)]) {
    const parity = Array.from({ length: 254 }, () => new Uint8Array(data.length));
    code.encode([data], parity, data.length);
    for (const shard of parity) assert.deepEqual(shard, data);
  }
});

test("code: the same pair gives the same object, another pair another", () => {
  assert.equal(createCode(10, 2), createCode(10, 2));
  assert.notEqual(createCode(10, 2), createCode(2, 10));
  assert.throws(() => createCode(0, 2), RangeError);
  assert.throws(() => createCode(200, 56), /255/);
});
