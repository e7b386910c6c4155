// Small pure parts of the command line: names, units, tables, progress, reports.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { upFlags } from "../../../src/cli/detach.ts";
import { fitMemory } from "../../../src/cli/fit-memory.ts";
import { nearest } from "../../../src/cli/nearest.ts";
import { pasteLines } from "../../../src/cli/paste-lines.ts";
import { progressLine } from "../../../src/cli/progress.ts";
import { SETTING_NAMES, type Settings, settingOf } from "../../../src/cli/settings.ts";
import { slowStartNote } from "../../../src/cli/starting.ts";
import { formatTable } from "../../../src/cli/terminal.ts";
import {
  formatBytes,
  formatDollars,
  formatMs,
  parseBytes,
  parseDurationMs,
} from "../../../src/cli/units.ts";

test("nearest: finds swapped, missing and doubled letters, and nothing far away", () => {
  const names = ["nodes", "memoryMb", "port", "pool", "pricing"];
  assert.equal(nearest("ndoes", names), "nodes");
  assert.equal(nearest("NODE", names), "nodes");
  assert.equal(nearest("memory", names), "memoryMb");
  assert.equal(nearest("colour", names), null);
});

test("units: sizes are decimal, or binary with an i", () => {
  const cases: readonly (readonly [string, number | null])[] = [
    ["0", 0],
    ["17", 17],
    ["1KB", 1_000],
    ["1k", 1_000],
    ["1.5 MB", 1_500_000],
    ["1MiB", 1_048_576],
    ["2GiB", 2_147_483_648],
    ["", null],
    ["MB", null],
    ["-1", null],
    ["1 parsec", null],
  ];
  for (const [text, bytes] of cases) assert.equal(parseBytes(text), bytes, text);
});

test("units: times take ms, s, m and h; a bare number but 0 is refused", () => {
  const cases: readonly (readonly [string, number | null])[] = [
    ["0", 0],
    ["250", null],
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1.5h", 5_400_000],
    ["soon", null],
  ];
  for (const [text, ms] of cases) assert.equal(parseDurationMs(text), ms, text);
});

test("units: what is written is short and never says 1000 of a unit", () => {
  assert.deepEqual([0, 999, 1_000, 1_500_000, 100_000_000].map(formatBytes), [
    "0 B",
    "999 B",
    "1 KB",
    "1.5 MB",
    "100 MB",
  ]);
  assert.deepEqual([0.123, 64.4, 1_300, 125_000, 11_220_000].map(formatMs), [
    "0.12 ms",
    "64 ms",
    "1.3 s",
    "2 min 5 s",
    "3 h 7 min",
  ]);
  assert.deepEqual([0, 0.0000324, 2.5, 0.05].map(formatDollars), [
    "$0.00",
    "$0.000032",
    "$2.50",
    "$0.050",
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
      const [number = ""] = formatBytes(bytes).split(" ");
      assert(number.length <= 4 && Number(number) < 1_000 * 1.2, `${bytes}: ${number}`);
    }),
  );
});

test("progress: shows share, rate and rest when the total is known, else what has passed", () => {
  const line = progressLine("put", 25_000_000, 100_000_000, 500);
  assert.match(line, /^put {2}█{6}░{18} {2}25 % {2}25 MB of 100 MB {2}50 MB\/s {2}1.5 s left$/);
  assert.equal(progressLine("get", 1_000, null, 1_000), "get  1 KB  1 KB/s");
});

test("table: aligns columns and leaves no blanks at the ends of lines", () => {
  assert.equal(
    formatTable(
      ["a", "number"],
      [
        ["x", "1"],
        ["longer", "22"],
      ],
      [1],
    ),
    "a       number\nx            1\nlonger      22",
  );
});

const pool = { nodes: 10, memoryMb: 512, memorySharePercent: 60, backupIntervalMs: 0 };
const MB = 1_048_576;

test("memory: functions together get their share of what is free at most, and it is said", () => {
  assert.deepEqual(fitMemory(pool, 16_000 * MB), { memoryMb: 512, note: null });
  const fitted = fitMemory(pool, 5_000 * MB);
  assert.equal(fitted.memoryMb, 300);
  assert.match(fitted.note ?? "", /300 MB, not 512/);
  assert.equal(fitMemory({ ...pool, memorySharePercent: 30 }, 5_000 * MB).memoryMb, 150);
  assert.equal(fitMemory({ ...pool, backupIntervalMs: 1_000 }, 5_000 * MB).memoryMb, 150);
});

test("memory: a pool that cannot fit at all is refused with the number that would, and the share that starts it", () => {
  const many = { ...pool, nodes: 100, backupIntervalMs: 1_000 };
  assert.throws(() => fitMemory(many, 1_000 * MB), /--nodes 2 would\n.* --memory-share 2560 /);
  const started = fitMemory({ ...many, memorySharePercent: 2_560 }, 1_000 * MB);
  assert.equal(started.memoryMb, 128);
});

test("detach: every setting of `up` that is no secret reaches the process in the background", () => {
  const row = COMMANDS.find(({ name }) => name === "up");
  for (const name of row?.settings ?? []) {
    const { byDefault, flag, isSecret, kind } = settingOf(name);
    if (isSecret === true) continue;
    const value = typeof byDefault === "number" ? byDefault + 1 : "other";
    const defaults = Object.fromEntries(
      SETTING_NAMES.map((each) => [each, settingOf(each).byDefault]),
    );
    // Proof of the cast: all names are there, and nothing looks at what a value means.
    const settings = { ...defaults, [name]: value } as unknown as Settings;
    assert.deepEqual(upFlags(settings), [`--${flag}=${value}${kind === "duration" ? "ms" : ""}`]);
  }
});

test("slow start: says how far it is, and what to look at where nobody has come", () => {
  const pool = { pool: "p", nodes: 400 };
  const note = "still starting: 180 of 400 functions of p have said hello";
  assert.equal(slowStartNote(pool, 180, null), note);
  assert.equal(slowStartNote(pool, 180, 90), note);
  assert.match(slowStartNote(pool, 180, 180), /180 of 400 .* --advertise/);
  assert.match(slowStartNote(pool, 0, null), /0 of 400 .* --advertise/);
  assert.equal(slowStartNote(pool, null, null), "still starting p");
});

test("paste lines: name the address only when it is not the default", () => {
  const addresses = {
    client: "127.0.0.1:6370",
    functions: "127.0.0.1:6371",
    lambda: "http://127.0.0.1:6374",
    resp: "127.0.0.1:6372",
    http: "http://127.0.0.1:6373",
  };
  assert.equal(pasteLines(addresses, "k", "f")[0], "npx infinicache put k f");
  const other = pasteLines({ ...addresses, client: "127.0.0.1:7000" }, "k", "f");
  assert.equal(other[0], "npx infinicache put k f --url 127.0.0.1:7000");
});
