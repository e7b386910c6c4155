/** The committed checksum kernel is what its source builds to. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { KERNELS, kernelModule } from "../../../tools/kernels/build.ts";

test("kernel: src/checksum/kernel.wasm.ts is built from tools/kernels/checksum.wat as it stands", async () => {
  const kernel = KERNELS.find(({ output }) => output.pathname.includes("/checksum/"));
  assert.ok(kernel);
  assert.equal(await readFile(kernel.output, "utf8"), await kernelModule(kernel));
});
