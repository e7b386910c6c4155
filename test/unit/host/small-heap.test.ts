// A heap that is kept small, seen from outside: a process of its own replaces objects that live for a while.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const PROCESS = fileURLToPath(new URL("../../../bin/process.cjs", import.meta.url));
const SMALL_HEAP = new URL("../../../src/host/small-heap.ts", import.meta.url).href;

/** The largest sizes of the heap and of its young generation where 60 MB live and 400 MB die; flags like those of AWS. */
function largestMb(prelude: string): { heap: number; young: number } {
  const script = `${prelude}
    const { getHeapSpaceStatistics } = await import("node:v8");
    const young = () => getHeapSpaceStatistics().find((each) => each.space_name === "new_space").space_size;
    const live = Array.from({ length: 150_000 }, () => new Array(50).fill(0.5));
    gc();
    const largest = { heap: 0, young: 0 };
    for (let turn = 0, at = 0; turn < 1_000_000; turn++) {
      at = (at + 7_919) % live.length;
      live[at] = new Array(50).fill(turn);
      if (turn % 1_000 !== 0) continue;
      largest.heap = Math.max(largest.heap, process.memoryUsage().heapTotal / 1e6);
      largest.young = Math.max(largest.young, young() / 1e6);
    }
    console.log(JSON.stringify(largest));`;
  const flags = [
    "--max-semi-space-size=25",
    "--expose-gc",
    "--disable-warning=ExperimentalWarning",
  ];
  const args = [...flags, "--input-type=module", "--eval", script];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as {
    heap: number;
    young: number;
  };
}

test("small heap: the young generation does not grow, the old one by less than by default", () => {
  const prelude = `const { keepHeapSmall } = await import(${JSON.stringify(SMALL_HEAP)}); keepHeapSmall();`;
  const small = largestMb(prelude);
  const usual = largestMb("");
  const told = JSON.stringify({ small, usual });
  assert.ok(small.young < usual.young / 3, told);
  assert.ok(small.heap < 0.7 * usual.heap, told);
});

test("small heap: a server's old generation grows by less than that of another command", () => {
  // The young one's bound is chosen already, so that the process stays this one.
  const startedAs = (command: string): string =>
    `const { createRequire } = await import("node:module");
    createRequire("/")(${JSON.stringify(PROCESS)}).startLean(${JSON.stringify(command)});`;
  const [server, other] = [largestMb(startedAs("proxy")), largestMb(startedAs("get"))];
  assert.ok(server.heap < 0.85 * other.heap, JSON.stringify({ server, other }));
});
