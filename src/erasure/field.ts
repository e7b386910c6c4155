/**
 * The field GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and the generator 2: a byte is an element,
 * addition is xor. Single elements only; it never touches shards, which the kernels do.
 * Arithmetic by logarithms: a*b = 2^(log a + log b). The tables are computed at start, which takes microseconds.
 */

/** The reduction polynomial, the same as RAID-6's and most storage codes'. */
export const POLYNOMIAL = 0x11d;

/** The order of the generator: 2^255 = 1. */
const ORDER = 255;

/** Powers of 2, twice over so that a sum of two logarithms needs no reduction. */
const EXP = new Uint8Array(2 * ORDER);
const LOG = new Uint8Array(256);

for (let exponent = 0, power = 1; exponent < ORDER; exponent += 1) {
  EXP[exponent] = power;
  EXP[exponent + ORDER] = power;
  LOG[power] = exponent;
  power <<= 1;
  if (power > 255) power ^= POLYNOMIAL;
}

/** a * b. */
export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return EXP[(LOG[a] as number) + (LOG[b] as number)] as number;
}

/** 1 / a. Throws RangeError for 0. */
export function inverse(a: number): number {
  if (a === 0) throw new RangeError("zero has no inverse");
  return EXP[ORDER - (LOG[a] as number)] as number;
}

/** 2^exponent for any integer, negative ones too. */
export function powerOfTwo(exponent: number): number {
  return EXP[((exponent % ORDER) + ORDER) % ORDER] as number;
}
