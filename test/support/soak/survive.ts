// The soak: clients read and write for minutes while instances are killed by a timetable, with backups or without.
// Judged are every byte, the order of what was seen, how many GETs of what had to be there hit, and what is left over.

import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyStatus } from "../../../src/core/status.ts";
import { connect } from "../../../src/entry/library.ts";
import { LambdaAdmin } from "../../e2e/support/lambda-admin.ts";
import { type Serving, serve } from "../../e2e/support/processes.ts";
import { SoakClients } from "./clients.ts";
import { Killer, type KillTimes } from "./killer.ts";
import { countMisses, type HitReport, type Kill } from "./misses.ts";
import { type ClientPlan, machineMs } from "./records.ts";
import { type Sample, type Trend, Watch } from "./watch.ts";

/** Sizes of a soak. */
export interface SurvivePlan extends KillTimes {
  readonly minutes: number;
  readonly hasBackup: boolean;
  /** Calls a second, all clients together. */
  readonly rate: number;
  readonly clients: number;
  readonly keys: number;
  readonly nodes: number;
  readonly memoryMb: number;
  /** Told now and then how it goes. */
  readonly note: (line: string) => void;
}

/** What was seen. */
export interface SurviveReport {
  readonly plan: Omit<SurvivePlan, "note">;
  readonly hits: HitReport;
  /** Wrong bytes, and reads that no register could answer. */
  readonly faults: readonly string[];
  /** PUTs and DELETEs that failed, and clients that did. */
  readonly errors: readonly string[];
  readonly mutations: number;
  readonly kills: readonly Kill[];
  readonly trends: readonly Trend[];
  readonly samples: readonly Sample[];
  /** What lived when everything had been told to stop. */
  readonly leftOver: readonly string[];
  readonly counters: ProxyStatus["counters"];
  readonly cost: ProxyStatus["cost"];
  readonly slowestGetMs: number;
  readonly p99GetMs: number;
  readonly bytesRead: number;
  /** What service and proxy wrote to their standard error. */
  readonly notes: string;
}

const BODIES = { bytesMin: 1_000_000, bytesMax: 20_000_000 };
const SHARES = { putShare: 0.09, deleteShare: 0.01 };
/** Far below the library's default of a minute: a function that is waited for shows. */
const DEADLINE_MS = 10_000;
const LOOK_MS = 100;
const SAMPLE_MS = 10_000;
const NOTE_MS = 30_000;
const END_MS = 5_000;

/** Starts service, proxy and clients, kills, stops all of it, and judges. */
export async function runSurvive(plan: SurvivePlan): Promise<SurviveReport> {
  const service = await serve([
    "lambda-service",
    "--port",
    "0",
    "--seed",
    String(Date.now() % 1e9),
  ]);
  try {
    const proxy = await serve([
      ...["proxy", "--lambda", service.ready.lambda, "--port", "0"],
      ...["--nodes", String(plan.nodes), "--memory", String(plan.memoryMb), "--code", "10+2"],
      ...["--warm-up", "10s", "--backup-interval", plan.hasBackup ? "30s" : "0"],
    ]);
    try {
      return await runAgainst(service, proxy, plan);
    } finally {
      await proxy.kill();
    }
  } finally {
    await service.kill();
  }
}

async function runAgainst(
  service: Serving,
  proxy: Serving,
  plan: SurvivePlan,
): Promise<SurviveReport> {
  const url = proxy.ready.client;
  const clients = new SoakClients(clientPlans(url, plan));
  const watch = new Watch(proxy.pid, service.pid);
  const admin = new LambdaAdmin(service.ready.lambda);
  const from = machineMs();
  const killer = new Killer(admin, plan, from);
  const progress = (): HitReport =>
    countMisses(clients.reads, clients.history.mutations, killer.kills, from);
  try {
    let [sampleAt, noteAt] = [from, from + NOTE_MS];
    for (let now = from; now < from + plan.minutes * 60_000; now = machineMs()) {
      const kill = await killer.look(now);
      if (kill !== null) plan.note(`${at(now - from)}  killed ${describeKill(kill)}`);
      if (now >= sampleAt) {
        sampleAt += SAMPLE_MS;
        watch.sample(now - from);
      }
      if (now >= noteAt) {
        noteAt += NOTE_MS;
        plan.note(`${at(now - from)}  ${describeProgress(progress(), watch.samples.at(-1))}`);
      }
      await sleep(LOOK_MS);
    }
    await clients.stop();
  } finally {
    clients.kill();
  }
  const { counters, cost } = await statusOf(url);
  watch.sample(machineMs() - from);
  await proxy.stop();
  await service.stop();
  const leftOver = await leftOvers(watch);
  if (clients.stuck > 0) leftOver.push(`${clients.stuck} clients did not end when told`);
  const took = clients.reads.map(({ begunAt, endedAt }) => endedAt - begunAt).sort((a, b) => a - b);
  const { note: _note, ...figures } = plan;
  return {
    ...{ plan: figures, hits: progress(), faults: clients.judge(), errors: clients.errors },
    ...{ mutations: clients.mutations, kills: killer.kills, trends: watch.trends() },
    ...{ samples: watch.samples, leftOver, counters, cost },
    slowestGetMs: took.at(-1) ?? 0,
    p99GetMs: took[Math.floor(took.length * 0.99)] ?? 0,
    bytesRead: clients.reads.reduce((sum, { bytes }) => sum + bytes, 0),
    notes: service.errors() + proxy.errors(),
  };
}

function clientPlans(url: string, plan: SurvivePlan): ClientPlan[] {
  const paceMs = (1_000 * plan.clients) / plan.rate;
  const common = { url, keys: plan.keys, paceMs, ...SHARES, ...BODIES, deadlineMs: DEADLINE_MS };
  return Array.from({ length: plan.clients }, (_, index) => ({ ...common, index }));
}

async function statusOf(url: string): Promise<ProxyStatus> {
  const cache = connect({ url });
  try {
    // The proxy is of this package, and reports as core/status.ts says.
    return (await cache.status()) as ProxyStatus;
  } finally {
    await cache.close();
  }
}

async function leftOvers(watch: Watch): Promise<string[]> {
  const endsAt = machineMs() + END_MS;
  while (watch.alive().length > 0 && machineMs() < endsAt) await sleep(LOOK_MS);
  return watch.alive().map((pid) => `process ${pid} lives`);
}

function at(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, "0")}`;
}

function describeKill({ victims }: Kill): string {
  return victims.map(({ function: name, role }) => `the ${role} of ${name}`).join(", ");
}

function describeProgress(
  { counted, hits, missesBy }: HitReport,
  sample: Sample | undefined,
): string {
  const share = counted === 0 ? "-" : `${((100 * hits) / counted).toFixed(3)} %`;
  const mb = (bytes = 0): string => `${Math.round(bytes / 1e6)} MB`;
  return (
    `${hits} of ${counted} GETs hit (${share}) ${JSON.stringify(missesBy)}; proxy ${mb(sample?.proxy.rssBytes)}, ` +
    `${sample?.proxy.descriptors} descriptors; ${sample?.functions} functions, ${mb(sample?.functionsPssBytes)}`
  );
}
