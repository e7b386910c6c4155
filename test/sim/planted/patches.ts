// The planted bugs that lie beside this file: patches of the sources, each with a line that says which of the judges
// must speak. It applies nothing itself.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

/** The checkout. */
export const root = resolve(import.meta.dirname, "../../..");

/** A bug that is there for certain once its patch is applied. */
export interface PlantedBug {
  readonly name: string;
  readonly file: string;
  /** What a violation must say to be about this bug. */
  readonly found: RegExp;
}

/** All of them, by name. */
export function plantedBugs(): PlantedBug[] {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".patch"));
  return files.sort().map((name) => {
    const file = join(import.meta.dirname, name);
    const found = /^Found: (.+)$/m.exec(readFileSync(file, "utf8"))?.[1];
    if (found === undefined) throw new Error(`${name} does not say how it is found`);
    return { name: basename(name, ".patch"), file, found: new RegExp(found) };
  });
}

/** The arguments of git that apply the patch in the working directory, or look whether that can be done. */
export function applyPatch({ file }: PlantedBug, how: "apply" | "check"): string[] {
  return ["apply", "-C1", ...(how === "check" ? ["--check"] : []), file];
}
