// Where instances find their bootstrap: beside this file in the built package; in a checkout its types
// are erased once per service, so that no instance pays for a type stripper.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The path of a CommonJS bootstrap; may write it below `directory`. */
export function bootstrapFile(directory: string): string {
  const built = fileURLToPath(new URL("./bootstrap.cjs", import.meta.url));
  if (existsSync(built)) return built;
  const source = readFileSync(new URL("./bootstrap.cts", import.meta.url), "utf8");
  const target = join(directory, "bootstrap.cjs");
  writeFileSync(target, stripTypeScriptTypes(source));
  return target;
}
