// The package's version, read from its manifest: the same relative place from src/entry and from dist/entry.
// It knows nothing else of the package.

import { readFileSync } from "node:fs";

/** Such as `1.2.3`. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const manifest: { readonly version: string } = JSON.parse(text);
  return manifest.version;
}
