// `bench`: puts load on this cache, or on another one beside it, and reports rates and latencies. It checks what it
// reads; a wrong byte is exit 7. What it stores has keys that begin with "bench/", and is removed at the end unless it is to be kept.

import { parseCode } from "../../core/code.ts";
import { seededRandom } from "../bench/random.ts";
import { BodySource, type LoadReport, type LoadResult, runLoad } from "../bench/run.ts";
import {
  type CleanTarget,
  cacheTarget,
  httpTarget,
  memcachedTarget,
  redisTarget,
  TARGET_ADDRESSES,
} from "../bench/targets.ts";
import {
  createWorkload,
  DISTRIBUTIONS,
  type Distribution,
  type WorkloadSpec,
} from "../bench/workload.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";
import { formatTable } from "../terminal.ts";
import { ownToken } from "../tokens-file.ts";
import { formatMs, formatRate, parseBytes, parseDurationMs } from "../units.ts";

const PREFIX = "bench/";
const COUNT_MAX = 1_000_000_000;
const CONCURRENCY_MAX = 1_000;

interface Plan {
  readonly workload: WorkloadSpec;
  readonly count: number;
  readonly concurrency: number;
  readonly intervalMs: number;
  readonly target: string;
  readonly address: string;
  readonly isFilled: boolean;
  readonly isKept: boolean;
  readonly code: string;
}

const BODY_SEED = 1;
const BODY_BLOCK_WORDS = 262_144;

/** Runs the load and prints what came out. */
export async function run(
  context: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const { terminal, clock, settings } = context;
  const plan = readPlan(context, options);
  const workload = createWorkload(plan.workload, seededRandom(settings.seed));
  // The same in every process: what one run has filled another can read and judge.
  const random = seededRandom(BODY_SEED);
  const words = Uint32Array.from({ length: BODY_BLOCK_WORDS }, () => random.u32());
  const bodies = new BodySource(plan.workload.bytesMax, (into) => {
    const block = new Uint8Array(words.buffer);
    for (let at = 0; at < into.length; at += block.length) {
      into.set(block.subarray(0, into.length - at), at);
    }
  });
  const opened = await openTarget(context, plan);
  try {
    if (plan.isFilled) await fill(context, plan, opened.clients, workload, bodies);
    const load = { ...plan, prefix: PREFIX };
    const report = await runLoad(opened.clients, workload, bodies, load, clock);
    if (!plan.isKept) await removeAll(opened.clients, opened.stored);
    if (terminal.isJson) terminal.out(JSON.stringify({ ...plan, ...report }));
    else for (const line of reportLines(plan, report)) terminal.out(line);
    return report.get.wrong === 0 ? "ok" : "different";
  } finally {
    await opened.close();
  }
}

async function fill(
  context: CommandContext,
  plan: Plan,
  clients: readonly CleanTarget[],
  workload: ReturnType<typeof createWorkload>,
  bodies: BodySource,
): Promise<void> {
  const { firstKey, lastKey } = plan.workload;
  let key = firstKey;
  await Promise.all(
    clients.map(async (client) => {
      while (key <= lastKey) {
        const own = key++;
        context.terminal.progress(`storing ${own - firstKey + 1} of ${lastKey - firstKey + 1}`);
        await client.put(`${PREFIX}${own}`, bodies.body(own, workload.bytesOf(own)));
      }
    }),
  );
  context.terminal.progress("");
}

async function removeAll(clients: readonly CleanTarget[], keys: Set<string>): Promise<void> {
  const left = keys.values();
  await Promise.all(
    clients.map(async (client) => {
      for (const key of left) await client.remove(key);
    }),
  );
}

/** Clients that work, and the keys of what they store. */
interface Opened {
  readonly clients: readonly CleanTarget[];
  readonly stored: Set<string>;
  close(): Promise<void>;
}

async function openTarget(context: CommandContext, plan: Plan): Promise<Opened> {
  const { address, concurrency, target } = plan;
  const host = address.slice(0, address.lastIndexOf(":"));
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  const stored = new Set<string>();
  const noting = (client: CleanTarget): CleanTarget => {
    const put = client.put.bind(client);
    client.put = (key, body) => {
      stored.add(key);
      return put(key, body);
    };
    return client;
  };
  const many = async (open: () => Promise<CleanTarget> | CleanTarget) => {
    const clients = await Promise.all(
      Array.from({ length: concurrency }, async () => noting(await open())),
    );
    return {
      clients,
      stored,
      close: async () => void (await Promise.all(clients.map((each) => each.close()))),
    };
  };
  try {
    if (target === "redis") return await many(() => redisTarget(host, port));
    if (target === "memcached") return await many(() => memcachedTarget(host, port));
    if (target === "http") return await many(() => httpTarget(host, port));
    const cache = await context.composition.connect(address, ownToken(context.settings));
    const parsed = parseCode(plan.code);
    const own = await many(() => cacheTarget(cache, typeof parsed === "string" ? null : parsed));
    return { ...own, close: () => cache.close() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError("unreachable", `no ${target} answers at ${address} (${reason})`, {
      cause: error,
    });
  }
}

function readPlan({ settings }: CommandContext, options: CommandOptions): Plan {
  const problems: string[] = [];
  const fail = (problem: string): never[] => {
    problems.push(problem);
    return [];
  };
  const text = (name: string) => {
    const value = options[name];
    return typeof value === "string" ? value : "";
  };
  const count = (name: string, max: number): number => {
    const value = Number(text(name));
    if (!Number.isInteger(value) || value < 1 || value > max)
      fail(`--${name}: must be a number from 1 to ${max}`);
    return value;
  };
  const distribution = text("dist");
  if (!DISTRIBUTIONS.includes(distribution))
    fail(`--dist: must be one of ${DISTRIBUTIONS.join(", ")}`);
  const op = text("op");
  if (op !== "put" && op !== "get" && op !== "mixed") fail("--op: must be put, get or mixed");
  const target = text("target");
  const byDefault = target === "infinicache" ? settings.url : TARGET_ADDRESSES[target];
  if (byDefault === undefined)
    fail(`--target: must be one of ${Object.keys(TARGET_ADDRESSES).join(", ")}`);
  const keys = /^(\d+)\.\.(\d+)$/.exec(text("keys"));
  const [firstKey, lastKey] = [Number(keys?.[1]), Number(keys?.[2])];
  if (keys === null || lastKey < firstKey) fail("--keys: must be A..B, such as 1..100");
  const [low = "", high = low] = text("size").split("..");
  const [bytesMin, bytesMax] = [parseBytes(low), parseBytes(high)];
  if (bytesMin === null || bytesMax === null || bytesMax < bytesMin) {
    fail("--size: must be a size such as 100KB or a range such as 1KB..10MB");
  }
  const intervalMs = parseDurationMs(text("interval"));
  if (intervalMs === null) fail("--interval: must be a time such as 10ms");
  const parsed = text("code") === "auto" ? null : parseCode(text("code"));
  if (typeof parsed === "string") fail(`--code: ${parsed}`);
  const [operations, concurrency] = [
    count("count", COUNT_MAX),
    count("concurrency", CONCURRENCY_MAX),
  ];
  if (problems.length > 0) throw new CommandError("usage", problems.join("\n"));
  return {
    workload: {
      // The casts are proven by the checks above.
      op: op as WorkloadSpec["op"],
      distribution: distribution as Distribution,
      firstKey,
      lastKey,
      bytesMin: bytesMin ?? 0,
      bytesMax: bytesMax ?? 0,
    },
    count: operations,
    concurrency,
    intervalMs: intervalMs ?? 0,
    target,
    address: text("addr") || (byDefault ?? ""),
    isFilled: options["fill"] !== false && op !== "put",
    isKept: options["keep"] === true,
    code: text("code"),
  };
}

function reportLines(plan: Plan, report: LoadReport): string[] {
  const row = (name: string, { operations, bytes, misses, wrong, latency }: LoadResult) => [
    name,
    String(operations),
    String(misses),
    String(wrong),
    formatRate(bytes, report.seconds * 1_000),
    ...[latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map(formatMs),
  ];
  const rows = [row("put", report.put), row("get", report.get)].filter(
    ([, count]) => count !== "0",
  );
  return [
    `${plan.target} at ${plan.address}: ${report.operationsPerSecond.toFixed(1)} operations/s, ` +
      `${formatRate(report.bytesPerSecond, 1_000)}, ${report.seconds.toFixed(2)} s`,
    formatTable(
      ["", "count", "misses", "wrong", "rate", "p50", "p90", "p99", "p99.9", "max"],
      rows,
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    ),
  ];
}
