// Starts the servers that a benchmark compares, each as a process of its own on free ports, and ends every one of
// them. A server that is not installed is told, not an error.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, connect as dial } from "node:net";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** A server under test. */
export interface BenchServer {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Programs of the system, which may be absent. */
export const REDIS = "redis-server";
const MEMCACHED = "memcached";

const MIB = 1_048_576;
/** Four hundred functions on a busy machine take most of it. */
const START_MS_MAX = 60_000;
const root = resolve(import.meta.dirname, "..");

/** Whatever a suite that is interrupted, or fails, has left running. */
const alive = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGTERM");
});

/** `infinicache up` with the given flags; the server's port is that of its clients. */
export async function startInfiniCache(flags: readonly string[]): Promise<BenchServer> {
  const { ready, child } = await startCommand(["up", "--port", "0", ...flags]);
  return serverOf(ready["client"] ?? "", child);
}

/** A process of ours by its role. */
export interface RoleServer extends BenchServer {
  readonly pid: number;
  /** Its addresses by door, as it says them once it serves. */
  readonly ready: Readonly<Record<string, string>>;
}

/** Only the local Lambda service. */
export async function startLambda(
  flags: readonly string[] = [],
): Promise<RoleServer & { readonly url: string }> {
  const { ready, child } = await startCommand(["lambda-service", "--port", "0", ...flags]);
  const url = ready["lambda"] ?? "";
  return { ...serverOf(url, child), ready, url };
}

/** A proxy with a pool of its own at the Lambda service `url`. */
export async function startProxy(url: string, flags: readonly string[]): Promise<RoleServer> {
  const port = flags.includes("--port") ? [] : ["--port", "0"];
  const { ready, child } = await startCommand(["proxy", ...port, "--lambda", url, ...flags]);
  return { ...serverOf(ready["client"] ?? "", child), ready };
}

function serverOf(address: string, child: ChildProcess): BenchServer & { readonly pid: number } {
  const port = Number(address.split(":").at(-1));
  return { host: "127.0.0.1", port, pid: child.pid ?? 0, stop: () => stop(child) };
}

async function startCommand(
  command: readonly string[],
): Promise<{ ready: Readonly<Record<string, string>>; child: ChildProcess }> {
  // By the launcher, which does to the process what bin/ does where the package is installed.
  const launcher = resolve(root, "tools", "node");
  const cli = resolve(root, "src", "entry", "cli.ts");
  const args = [...profileFlags(command[0] ?? ""), launcher, cli, ...command, "--json"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  alive.add(child);
  child.once("exit", () => alive.delete(child));
  const tooLate = setTimeout(() => child.kill("SIGKILL"), START_MS_MAX);
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit").then(() =>
      Promise.reject(new Error(`infinicache ${command[0]} was never ready`)),
    ),
  ])) as [string];
  clearTimeout(tooLate);
  const ready = JSON.parse(line);
  if (ready.ready !== true) throw new Error(`infinicache ${command[0]}: ${line}`);
  return { ready, child };
}

/** With BENCH_CPU_PROF=DIR each process of ours writes its profile there, named after its command. */
function profileFlags(command: string): readonly string[] {
  const folder = process.env["BENCH_CPU_PROF"];
  if (folder === undefined) return [];
  return ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${command}.cpuprofile`];
}

/** redis-server without persistence; null when it is not installed. */
export async function startRedis(): Promise<BenchServer | null> {
  if (spawnSync(REDIS, ["--version"]).status !== 0) return null;
  const port = await freePort();
  const settings = ["--save", "", "--appendonly", "no", "--proto-max-bulk-len", "2gb"];
  const args = ["--port", String(port), "--bind", "127.0.0.1", ...settings];
  const child = spawn(REDIS, args, { stdio: "ignore" });
  await waitForPort(port);
  return { host: "127.0.0.1", port, stop: () => stop(child) };
}

/** memcached with room for the largest size; null when it is not installed. */
export async function startMemcached(bytesMax: number): Promise<BenchServer | null> {
  if (spawnSync(MEMCACHED, ["-V"]).status !== 0) return null;
  const port = await freePort();
  // It takes whole slabs only, and some of each for itself.
  const itemBytes = Math.min(1_024 * MIB, Math.ceil((bytesMax + 65_536) / MIB) * MIB);
  const args = [
    "-p",
    String(port),
    "-l",
    "127.0.0.1",
    "-U",
    "0",
    "-m",
    "4096",
    "-I",
    String(itemBytes),
  ];
  // It refuses to run as root without a user.
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child = spawn(MEMCACHED, [...args, ...user], { stdio: "ignore" });
  await waitForPort(port);
  return { host: "127.0.0.1", port, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS_MAX);
  await ended;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

async function waitForPort(port: number): Promise<void> {
  const until = performance.now() + START_MS_MAX;
  while (performance.now() < until) {
    const socket = dial({ host: "127.0.0.1", port });
    const isOpen = await new Promise<boolean>((answer) => {
      socket.once("connect", () => answer(true));
      socket.once("error", () => answer(false));
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(20);
  }
  throw new Error(`nothing listens on port ${port}`);
}
