// Settings: precedence, unknown names, all problems at once, secrets kept. Files are real, in a folder of the test.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  CONFIGURATION_FILE,
  ConfigurationError,
  type ConfigurationSources,
  readConfiguration,
} from "../../../src/cli/configuration.ts";
import { configurationSchema } from "../../../src/cli/configuration-schema.ts";
import { SETTING_NAMES, SETTINGS } from "../../../src/cli/settings.ts";

function withFolder(file: unknown, act: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "infinicache-test-"));
  try {
    if (file !== undefined) writeFileSync(join(folder, CONFIGURATION_FILE), JSON.stringify(file));
    act(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function read(folder: string, sources: Partial<ConfigurationSources> = {}) {
  return readConfiguration({ flags: {}, uses: SETTING_NAMES, environment: {}, folder, ...sources });
}

function problemsOf(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    assert(error instanceof ConfigurationError);
    return error.problems;
  }
  return assert.fail("there should have been problems");
}

test("configuration: a flag beats the environment, which beats the file, which beats the default", () => {
  withFolder({ nodes: 30, memoryMb: 256, seed: 5 }, (folder) => {
    const environment = { INFINICACHE_NODES: "40", INFINICACHE_MEMORY: "300" };
    const settings = read(folder, { environment, flags: { nodes: "50" } });
    assert.equal(settings.nodes, 50);
    assert.equal(settings.memoryMb, 300);
    assert.equal(settings.seed, 5);
    assert.equal(settings.port, SETTINGS.port.byDefault);
    assert(Object.isFrozen(settings));
  });
});

test("configuration: an unknown setting in the file is an error that names the nearest one", () => {
  withFolder({ node: 30 }, (folder) => {
    const [problem = ""] = problemsOf(() => read(folder));
    assert.match(problem, /unknown setting "node"; did you mean nodes\?$/);
  });
});

test("configuration: an unknown variable INFINICACHE_* is an error that names the nearest one", () => {
  withFolder(undefined, (folder) => {
    const [problem = ""] = problemsOf(() =>
      read(folder, { environment: { INFINICACHE_NODS: "1" } }),
    );
    assert.match(problem, /unknown setting INFINICACHE_NODS; did you mean INFINICACHE_NODES\?$/);
  });
});

test("configuration: variables between our own processes are no settings", () => {
  withFolder(undefined, (folder) => {
    const environment = { INFINICACHE_LAUNCHED: "17", INFINICACHE_TEST_COUNTS: "x", HOME: "/" };
    assert.equal(read(folder, { environment }).nodes, 24);
  });
});

test("configuration: all problems are reported together, each with where it came from", () => {
  withFolder({ reclaim: "sometimes", what: 1 }, (folder) => {
    const problems = problemsOf(() =>
      read(folder, { environment: { INFINICACHE_PORT: "70000" }, flags: { nodes: "many" } }),
    );
    assert.equal(problems.length, 4);
    const text = problems.join("\n");
    for (const part of ["unknown setting", "reclaim", "INFINICACHE_PORT", "--nodes"]) {
      assert(text.includes(part), `${part} is missing in ${text}`);
    }
  });
});

test("configuration: times in text take units, in the file they are milliseconds", () => {
  withFolder({ lingerMs: 25 }, (folder) => {
    const settings = read(folder, { flags: { warmUpIntervalMs: "2m" } });
    assert.equal(settings.lingerMs, 25);
    assert.equal(settings.warmUpIntervalMs, 120_000);
  });
});

test("configuration: the pool must have a function for each chunk of a stripe, where a pool is made", () => {
  withFolder(undefined, (folder) => {
    assert.match(
      problemsOf(() => read(folder, { flags: { nodes: "5" } })).join(),
      /10\+2 needs 12/,
    );
    assert.equal(read(folder, { flags: { nodes: "6", code: "4+2" } }).code, "4+2");
    assert.equal(read(folder, { flags: { code: "30+4" }, uses: ["url", "code"] }).code, "30+4");
  });
});

test("configuration: a size is bytes or has a unit, and 0 is one", () => {
  withFolder({ hotBytes: 5_000 }, (folder) => {
    const at = (hotBytes: string) => read(folder, { flags: { hotBytes } }).hotBytes;
    assert.equal(read(folder).hotBytes, 5_000);
    assert.deepEqual([at("0"), at("16MiB"), at("1.5KB"), at("700")], [0, 16_777_216, 1_500, 700]);
    assert.equal(
      read(folder, { environment: { INFINICACHE_HOT_BYTES: "64KiB" } }).hotBytes,
      65_536,
    );
    for (const wrong of ["-1", "much", "1TiB", "1e3"])
      assert.match(problemsOf(() => at(wrong)).join(), /^--hot-bytes: .* is no SIZE/);
  });
});

test("configuration: a secret that is wrong is never shown", () => {
  withFolder(undefined, (folder) => {
    const text = problemsOf(() => read(folder, { environment: { INFINICACHE_SECRET: "hunter2" } }));
    assert(!text.join().includes("hunter2"));
    assert.match(text.join(), /hidden/);
  });
});

test("configuration: a file that is named must exist and hold an object", () => {
  withFolder([1], (folder) => {
    assert.match(problemsOf(() => read(folder)).join(), /one JSON object/);
    assert.match(problemsOf(() => read(folder, { file: "other.json" })).join(), /no such file/);
  });
});

test("configuration: the file's schema knows every setting and forbids others", () => {
  const schema = configurationSchema();
  assert.equal(schema["additionalProperties"], false);
  const properties = Object.keys(schema["properties"] as object);
  assert.deepEqual(properties, ["$schema", ...SETTING_NAMES]);
});

test("configuration: every default passes its own schema", () => {
  withFolder(undefined, (folder) => {
    assert.doesNotThrow(() => read(folder));
  });
});

test("configuration: write-behind needs an origin and a journal, and is for one proxy", () => {
  withFolder(undefined, (folder) => {
    const flags = { originMode: "write-behind", workers: "2", nodes: "48" };
    assert.equal(problemsOf(() => read(folder, { flags })).length, 3);
    const whole = { originMode: "write-behind", origin: "dir:./a", originJournal: "./b" };
    assert.equal(read(folder, { flags: whole }).originMode, "write-behind");
  });
});

test("configuration: an origin is a folder or a bucket, and its endpoint has no credentials in it", () => {
  withFolder(undefined, (folder) => {
    for (const origin of ["none", "dir:./a", "s3://bucket", "s3://bucket/a/b"])
      assert.equal(read(folder, { flags: { origin } }).origin, origin);
    for (const origin of ["s3://", "s3://B/c", "dir:", "http://bucket"])
      assert.equal(problemsOf(() => read(folder, { flags: { origin } })).length, 1, origin);
    const at = (originEndpoint: string) => read(folder, { flags: { originEndpoint } });
    assert.equal(at("http://127.0.0.1:9000").originEndpoint, "http://127.0.0.1:9000");
    assert.equal(problemsOf(() => at("http://user:word@127.0.0.1:9000")).length, 1);
  });
});
