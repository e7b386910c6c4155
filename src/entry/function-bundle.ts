// Where the function's bundle is: in an installed package beside this file, in a checkout made on the spot from
// src/entry/function.ts by the checkout's own tool. It never leaves a file behind.

import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What tools/bundle-function.ts exports; it is not part of the package, so it cannot be imported by type. */
interface BundleTool {
  bundleFunction(outFile: string): Promise<{ readonly bytes: number }>;
}

/** Calls `use` with the path of the bundle, which may be gone afterwards. */
export async function withFunctionBundle<Result>(
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const built = fileURLToPath(new URL("../function/index.cjs", import.meta.url));
  if (existsSync(built)) return use(built);
  const folder = await mkdtemp(join(tmpdir(), "infinicache-bundle-"));
  try {
    const path = join(folder, "index.cjs");
    const tool: BundleTool = await import(
      new URL("../../tools/bundle-function.ts", import.meta.url).href
    );
    await tool.bundleFunction(path);
    return await use(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
