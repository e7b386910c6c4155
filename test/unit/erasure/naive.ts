/**
 * The naive twin of the erasure room, for its tests: products by shift and add, parity by the definition, a byte at a
 * time. It shares no line with the code under test and is never fast. Also the deterministic bytes the tests use.
 */

/** a * b over GF(2^8) with 0x11d, by shift and add. */
export function multiplyNaive(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    if ((b >> bit) & 1) product ^= a << bit;
  }
  for (let bit = 14; bit >= 8; bit -= 1) {
    if ((product >> bit) & 1) product ^= 0x11d << (bit - 8);
  }
  return product;
}

/** 1 / a by trying all. */
export function inverseNaive(a: number): number {
  for (let b = 1; b < 256; b += 1) {
    if (multiplyNaive(a, b) === 1) return b;
  }
  throw new RangeError("no inverse");
}

function powerNaive(exponent: number): number {
  let power = 1;
  for (let step = 0; step < (exponent + 510) % 255; step += 1) power = multiplyNaive(power, 2);
  return power;
}

/** The weights of one parity row, by the definition in `matrix.ts`. */
export function rowNaive(dataShards: number, row: number): number[] {
  return Array.from({ length: dataShards }, (_, column) => {
    const fromLast = dataShards - 1 - column;
    if (row === 0) return 1;
    if (row === 1) return powerNaive(fromLast);
    const x = powerNaive(-(dataShards + row - 2));
    return multiplyNaive(x ^ 1, inverseNaive(x ^ powerNaive(-fromLast)));
  });
}

/** All parity shards; data shards shorter than `shardBytes` end in zeros. */
export function encodeNaive(
  data: readonly Uint8Array[],
  parityShards: number,
  shardBytes: number,
): Uint8Array[] {
  return Array.from({ length: parityShards }, (_, row) => {
    const weights = rowNaive(data.length, row);
    return Uint8Array.from({ length: shardBytes }, (_, at) =>
      data.reduce(
        (sum, shard, index) => sum ^ multiplyNaive(weights[index] ?? 0, shard[at] ?? 0),
        0,
      ),
    );
  });
}

/** Bytes without pattern, the same for the same seed. */
export function bytesOf(seed: number, byteCount: number): Uint8Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Uint8Array.from({ length: byteCount }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** All sets of at most `countMax` of the indices below `size`. */
export function subsets(size: number, countMax: number, from = 0): number[][] {
  if (countMax === 0 || from === size) return [[]];
  const without = subsets(size, countMax, from + 1);
  const withFirst = subsets(size, countMax - 1, from + 1).map((rest) => [from, ...rest]);
  return [...without, ...withFirst];
}
