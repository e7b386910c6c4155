/** The committed erasure kernel is what its source builds to. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { KERNELS, kernelModule } from "../../../tools/kernels/build.ts";

test("kernel: src/erasure/kernel.wasm.ts is built from tools/kernels/erasure.wat as it stands", async () => {
  const kernel = KERNELS.find(({ output }) => output.pathname.includes("/erasure/"));
  assert.ok(kernel);
  assert.equal(await readFile(kernel.output, "utf8"), await kernelModule(kernel));
});
