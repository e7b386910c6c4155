// What tests of `up --workers` share: ports for two workers, and which processes the workers are.

import { readFileSync } from "node:fs";
import { freePorts } from "./ports.ts";
import { descendants } from "./processes.ts";

/** The proxies among the descendants of the process that started them. */
export function workersOf(pid: number): number[] {
  return descendants(pid).filter((each) => {
    const line = readFileSync(`/proc/${each}/cmdline`, "utf8").split("\0");
    return line.includes("proxy") && line.some((word) => word.startsWith("--ring="));
  });
}

/** The first of ten free ports in a row, as far as two looks can tell. */
export async function pairOfBlocks(): Promise<number> {
  for (;;) {
    const first = await freePorts();
    if ((await freePorts(first + 5)) === first + 5) return first;
  }
}
