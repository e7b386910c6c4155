/**
 * Matrices over GF(2^8): the parity matrix that defines every code here, and inversion. Pure; small arrays of bytes,
 * never shards.
 *
 * Parity row r holds the weights by which the data shards are summed into parity shard r, the same for every p:
 *   row 0     1, 1, …, 1                             P: the xor, as in RAID-4 and RAID-5
 *   row 1     2^(d-1), …, 4, 2, 1                    Q: as in RAID-6; the last data shard has weight 1
 *   row r>1   (x_r + 1) / (x_r + y_j), y_j = 2^-(d-1-j), x_r = 2^-(d+r-2)
 * Row 1 is the last formula with x = 0, and row 0 its limit for x → ∞: an extended Cauchy matrix.
 * Every square submatrix is invertible, so any d of the d+p shards suffice. For suppose weights c_j combine k columns to
 * zero in k rows. f(x) = Σ c_j / (x + y_j) has a numerator of degree below k; it vanishes at the k distinct x, so it is
 * zero. With row 0 among them, Σ c_j = 0 lowers the degree by one, and k-1 points suffice. The poles are distinct, so
 * all c_j are zero. The x_r and y_j are distinct powers of 2 while d+p-2 ≤ 255.
 */
import { inverse, multiply, powerOfTwo } from "./field.ts";

/** The most shards of a code, data and parity together. */
export const SHARDS_MAX = 255;

/** The rows of parity weights of the code d+p, each of d elements. Throws RangeError on impossible counts. */
export function parityRows(dataShards: number, parityShards: number): readonly Uint8Array[] {
  if (!Number.isInteger(dataShards) || dataShards < 1) {
    throw new RangeError(`dataShards must be an integer from 1, not ${dataShards}`);
  }
  if (!Number.isInteger(parityShards) || parityShards < 0) {
    throw new RangeError(`parityShards must be an integer from 0, not ${parityShards}`);
  }
  if (dataShards + parityShards > SHARDS_MAX) {
    throw new RangeError(`${dataShards}+${parityShards} is more than ${SHARDS_MAX} shards`);
  }
  return Array.from({ length: parityShards }, (_, row) =>
    Uint8Array.from({ length: dataShards }, (_, column) => weight(dataShards, row, column)),
  );
}

function weight(dataShards: number, row: number, column: number): number {
  if (row === 0) return 1;
  const fromLast = dataShards - 1 - column;
  if (row === 1) return powerOfTwo(fromLast);
  const x = powerOfTwo(-(dataShards + row - 2));
  return multiply(x ^ 1, inverse(x ^ powerOfTwo(-fromLast)));
}

/** The inverse of a square matrix, by Gauss and Jordan. The input is left alone. Throws RangeError on a singular one. */
export function invert(matrix: readonly Uint8Array[]): Uint8Array[] {
  const size = matrix.length;
  // Each row carries the identity's row beside it; when the left half is the identity, the right is the inverse.
  const rows: Uint8Array[] = matrix.map((row, index) => {
    const wide = new Uint8Array(2 * size);
    wide.set(row.subarray(0, size));
    wide[size + index] = 1;
    return wide;
  });
  for (let column = 0; column < size; column += 1) {
    const pivotIndex = rows.findIndex((row, index) => index >= column && row[column] !== 0);
    const pivot = rows[pivotIndex];
    if (pivot === undefined) throw new RangeError("the matrix is singular");
    rows[pivotIndex] = rows[column] as Uint8Array;
    rows[column] = pivot;
    addTimes(pivot, pivot, inverse(pivot[column] as number) ^ 1); // Scales, since a + a*(s+1) = a*s.
    rows.forEach((row, index) => {
      if (index !== column) addTimes(row, pivot, row[column] as number);
    });
  }
  return rows.map((row) => row.slice(size));
}

/** target += source * factor, element by element. */
function addTimes(target: Uint8Array, source: Uint8Array, factor: number): void {
  if (factor === 0) return;
  for (let index = 0; index < target.length; index += 1) {
    target[index] = (target[index] as number) ^ multiply(source[index] as number, factor);
  }
}
