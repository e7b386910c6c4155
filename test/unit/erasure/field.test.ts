/** GF(2^8) against the definition: every product and every inverse. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inverse, multiply, powerOfTwo } from "../../../src/erasure/field.ts";
import { inverseNaive, multiplyNaive } from "./naive.ts";

test("field: every product is that of shift and add", () => {
  for (let a = 0; a < 256; a += 1) {
    for (let b = 0; b < 256; b += 1) {
      if (multiply(a, b) !== multiplyNaive(a, b)) assert.fail(`${a} * ${b}`);
    }
  }
});

test("field: every element but zero has its inverse", () => {
  for (let a = 1; a < 256; a += 1) assert.equal(inverse(a), inverseNaive(a));
  assert.throws(() => inverse(0), RangeError);
});

test("field: 2 generates all 255 elements, and exponents may be negative or large", () => {
  const powers = new Set(Array.from({ length: 255 }, (_, exponent) => powerOfTwo(exponent)));
  assert.equal(powers.size, 255);
  assert.equal(powerOfTwo(8), 0x1d);
  assert.equal(multiply(powerOfTwo(-3), 8), 1);
  assert.equal(powerOfTwo(-600), powerOfTwo(-600 + 3 * 255));
});
