/** The parity matrix: its rows as designed, and every square submatrix invertible, so that any d shards suffice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { multiply } from "../../../src/erasure/field.ts";
import { invert, parityRows } from "../../../src/erasure/matrix.ts";
import { rowNaive, subsets } from "./naive.ts";

test("matrix: row 0 is all ones, row 1 powers of two down to 1, and every row ends in 1", () => {
  const rows = parityRows(6, 5);
  assert.deepEqual([...(rows[0] ?? [])], [1, 1, 1, 1, 1, 1]);
  assert.deepEqual([...(rows[1] ?? [])], [32, 16, 8, 4, 2, 1]);
  for (const row of rows) assert.equal(row.at(-1), 1);
});

test("matrix: a row depends on d alone, so more parity can be added to an old code", () => {
  assert.deepEqual(parityRows(10, 2), parityRows(10, 7).slice(0, 2));
});

test("matrix: rows are those of the definition, to the largest codes", () => {
  for (const [dataShards, parityShards] of [
    [10, 4],
    [1, 254],
    [128, 127],
    [252, 3],
  ] as const) {
    parityRows(dataShards, parityShards).forEach((row, index) => {
      if (index < 6 || index === parityShards - 1) {
        assert.deepEqual([...row], rowNaive(dataShards, index));
      }
    });
  }
});

test("matrix: every square submatrix of 10+4, 6+5 and 3+6 is invertible", () => {
  for (const [dataShards, parityShards] of [
    [10, 4],
    [6, 5],
    [3, 6],
  ] as const) {
    const rows = parityRows(dataShards, parityShards);
    const sizeMax = Math.min(dataShards, parityShards);
    const columnSets = subsets(dataShards, sizeMax);
    for (const rowSet of subsets(parityShards, sizeMax)) {
      for (const columns of columnSets) {
        if (columns.length !== rowSet.length) continue;
        const square = rowSet.map((row) =>
          Uint8Array.from(columns, (column) => rows[row]?.[column] ?? 0),
        );
        assert.doesNotThrow(() => invert(square), `rows ${rowSet}, columns ${columns}`);
      }
    }
  }
});

test("matrix: all 2×2 submatrices of P and Q with one more row are invertible for the widest code, 252+3", () => {
  const rows = parityRows(252, 3);
  for (const [upper, lower] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    const a = rows[upper] ?? new Uint8Array();
    const b = rows[lower] ?? new Uint8Array();
    const quotients = new Set(Array.from(a, (value, index) => quotient(value, b[index] ?? 0)));
    // Columns are pairwise independent exactly when their quotients differ.
    assert.equal(quotients.size, 252);
  }
});

function quotient(a: number, b: number): number {
  return multiply(a, invert([Uint8Array.of(b)])[0]?.[0] ?? 0);
}

test("matrix: the inverse times the matrix is the identity", () => {
  const rows = parityRows(5, 5);
  const inverse = invert(rows);
  for (let row = 0; row < 5; row += 1) {
    for (let column = 0; column < 5; column += 1) {
      let sum = 0;
      for (let index = 0; index < 5; index += 1) {
        sum ^= multiply(inverse[row]?.[index] ?? 0, rows[index]?.[column] ?? 0);
      }
      assert.equal(sum, row === column ? 1 : 0);
    }
  }
});

test("matrix: a singular matrix is refused", () => {
  assert.throws(() => invert([Uint8Array.of(1, 2), Uint8Array.of(2, 4)]), /singular/);
  assert.throws(() => invert([Uint8Array.of(0)]), /singular/);
});

test("matrix: impossible counts are refused", () => {
  for (const [dataShards, parityShards] of [
    [0, 1],
    [-1, 1],
    [1.5, 1],
    [Number.NaN, 1],
    [1, -1],
    [1, 0.5],
    [250, 6],
    [256, 0],
  ] as const) {
    assert.throws(() => parityRows(dataShards, parityShards), RangeError);
  }
});
