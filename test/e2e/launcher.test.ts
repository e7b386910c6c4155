/**
 * The launcher behind `tools/node`: it is transparent to arguments, exit codes and signals, and its child never
 * outlives it. Started with a Node option first, it always runs the file in a process below its own.
 * And how a proxy begins anew with less memory, before anything else.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";

const launcher = resolve(import.meta.dirname, "..", "..", "tools", "node");
const folder = mkdtempSync(join(tmpdir(), "infinicache-launcher-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const waitMsMax = 10_000;
const script = join(folder, "script.ts");
writeFileSync(
  script,
  `const [what, ...rest]: string[] = process.argv.slice(2);
  if (what === "say") console.log(JSON.stringify(rest));
  if (what === "exit") process.exit(Number(rest[0]));
  if (what === "stay") {
    process.on("SIGTERM", () => process.exit(42));
    setInterval(() => {}, 1000);
    console.log(process.pid);
  }`,
);

/** Ways in: below the launcher, and in its own process. */
const ways = { below: ["--no-deprecation", script], here: [script] };

async function startStaying(way: readonly string[]): Promise<{ child: ChildProcess; pid: number }> {
  const env = { ...process.env };
  delete env["npm_command"];
  const args = [launcher, ...way, "stay"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], env });
  const [line] = await once(child.stdout, "data", { signal: AbortSignal.timeout(waitMsMax) });
  return { child, pid: Number(String(line)) };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

for (const [name, way] of Object.entries(ways)) {
  test(`launcher, ${name}: arguments and exit codes pass through`, () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [launcher, ...way, ...args], {
        encoding: "utf8",
        timeout: waitMsMax,
      });
    const said = run("say", "a b", "--flag", "");
    assert.equal(said.stdout, '["a b","--flag",""]\n');
    assert.equal(said.stderr, "");
    assert.equal(run("exit", "7").status, 7);
  });

  test(`launcher, ${name}: a signal reaches the program`, async () => {
    const { child } = await startStaying(way);
    child.kill("SIGTERM");
    const [code] = await once(child, "exit", { signal: AbortSignal.timeout(waitMsMax) });
    assert.equal(code, 42);
  });
}

test("launcher: kill -9 of it leaves nothing alive", async () => {
  const { child, pid } = await startStaying(ways.below);
  assert.notEqual(pid, child.pid);
  child.kill("SIGKILL");
  const deadline = Date.now() + waitMsMax;
  while (isAlive(pid) && Date.now() < deadline) await new Promise((done) => setTimeout(done, 20));
  assert.equal(isAlive(pid), false);
});

const lean = join(folder, "lean.cjs");
const processFile = resolve(import.meta.dirname, "..", "..", "bin", "process.cjs");
writeFileSync(
  lean,
  `require(${JSON.stringify(processFile)}).startLean(process.argv[2]);
  const { execArgv, argv, pid } = process;
  console.log(JSON.stringify({ flags: execArgv, args: argv.slice(2), pid }));`,
);

/** How a command of this name finds itself once it runs, and the process that was started. */
function startedAs(command: string, options: string) {
  const { stdout, pid } = spawnSync(
    process.execPath,
    ["--no-deprecation", lean, command, "--port", "0 0", ""],
    { encoding: "utf8", timeout: waitMsMax, env: { ...process.env, NODE_OPTIONS: options } },
  );
  return { ...JSON.parse(stdout), startedPid: pid };
}

test("start: a proxy bounds its young generation in the process that was started, with the same arguments", () => {
  for (const command of ["proxy", "up"]) {
    const { flags, args, pid, startedPid } = startedAs(command, "");
    assert.deepEqual(flags, ["--no-deprecation", "--max-semi-space-size=4"]);
    assert.deepEqual(args, [command, "--port", "0 0", ""]);
    assert.equal(pid, startedPid);
  }
});

test("start: other commands, and a bound that was chosen already, stay as they are", () => {
  assert.deepEqual(startedAs("get", "").flags, ["--no-deprecation"]);
  assert.deepEqual(startedAs("proxy", "--max-semi-space-size=32").flags, ["--no-deprecation"]);
});
