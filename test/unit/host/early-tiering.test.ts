// Early optimization, seen from outside: a process of its own runs a function some hundred times and asks V8 in which tier it is.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

/** Bits of %GetOptimizationStatus. */
const OPTIMIZED = 16;
const MAGLEVVED = 32;

const TIERING = new URL("../../../src/host/early-tiering.ts", import.meta.url).href;

/** The tier of a function after at most 250 calls; the compiler works beside them and gets its time. */
function tierAfterCalls(prelude: string): number {
  const script = `${prelude}
    const status = new Function("f", "return %GetOptimizationStatus(f)");
    const sum = new Function("a", "return a.length > 3 ? a[0] + a[1] * a[2] : a.length");
    let tier = 0;
    for (let turn = 0; turn < 350 && (tier & ${OPTIMIZED}) === 0; turn++) {
      if (turn < 250) sum([1, 2, 3, turn]);
      await new Promise((resolve) => setTimeout(resolve, 1));
      tier = status(sum);
    }
    console.log(tier);`;
  const flags = ["--allow-natives-syntax", "--disable-warning=ExperimentalWarning"];
  const args = [...flags, "--input-type=module", "--eval", script];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

test("early tiering: what ran 250 times is optimized by the quick compiler; by default it is not", () => {
  const early = tierAfterCalls(
    `const { optimizeEarly } = await import(${JSON.stringify(TIERING)}); optimizeEarly();`,
  );
  assert.equal(early & (OPTIMIZED | MAGLEVVED), OPTIMIZED | MAGLEVVED, `status ${early}`);
  assert.equal(tierAfterCalls("") & OPTIMIZED, 0);
});
