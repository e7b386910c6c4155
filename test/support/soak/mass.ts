// What survives when much of a pool is reclaimed at once: one case as one run on real processes, beside what the model
// expects. Every object is read afterwards and compared in every byte.

import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyStatus } from "../../../src/core/status.ts";
import { connect } from "../../../src/entry/library.ts";
import { reclaimRows } from "../../../src/sim/models/availability.ts";
import { nodesLostOfPairs } from "../../../src/sim/models/pair-reclaims.ts";
import { makeBytes } from "../../e2e/support/bytes.ts";
import { LambdaAdmin } from "../../e2e/support/lambda-admin.ts";
import { serve } from "../../e2e/support/processes.ts";

/** Who is reclaimed. */
export interface MassCase {
  readonly name: string;
  /** Primaries only, of so much of the nodes; or instances of either kind, so much of all. */
  readonly whom: "primaries" | "instances";
  readonly share: number;
  readonly backupInterval: string;
  readonly warmUp: string;
  /** MB a second; "0": nothing is made anew by parity before somebody reads. */
  readonly repairRate: string;
  /** Between one kill and the next; 0: all at once. */
  readonly pauseMs: number;
}

/** What was seen. */
export interface MassReport {
  readonly name: string;
  readonly killed: number;
  /** Nodes of which no instance was left when all went at once; null when they went one by one. */
  readonly nodesLost: number | null;
  readonly objects: number;
  readonly survived: number;
  /** The model's share of survivors, before it is known who is hit. Null: it says nothing of kills one by one. */
  readonly expected: number | null;
  /** The same, given that so many nodes are lost. */
  readonly expectedGiven: number | null;
  readonly wrong: number;
  readonly failovers: number;
  readonly missesLost: number;
  readonly missesUnreachable: number;
  readonly repairs: number;
}

const NODES = 24;
const OBJECTS = 200;
const OBJECT_BYTES = 1_000_000;
const TEN_TWO = { dataChunks: 10, parityChunks: 2 };
const ROUNDS_MS_MAX = 120_000;
const LOOK_MS = 100;
const DEADLINE_MS = 20_000;

/** Stores, waits for complete backups, kills, reads. */
export async function runMass(plan: MassCase): Promise<MassReport> {
  const hasBackup = plan.backupInterval !== "0";
  const up = await serve([
    ...["up", "--port", "0", "--nodes", String(NODES), "--memory", "192", "--code", "10+2"],
    ...["--backup-interval", plan.backupInterval, "--warm-up", plan.warmUp],
    ...["--repair-rate", plan.repairRate],
  ]);
  const cache = connect({ url: up.ready.client, deadlineMs: DEADLINE_MS });
  // The proxy is of this package, and reports as core/status.ts says.
  const status = async (): Promise<ProxyStatus> => (await cache.status()) as ProxyStatus;
  try {
    const admin = new LambdaAdmin(up.ready.lambda);
    // Nothing is stored yet, so nothing has a replica.
    const primaries = (await admin.instances()).map(({ id }) => id);
    for (let index = 0; index < OBJECTS; index++)
      await cache.put(`object ${index}`, makeBytes(index, OBJECT_BYTES));
    if (hasBackup) await untilCopied(status);
    const living = await admin.instances();
    const among = plan.whom === "primaries" ? primaries : living.map(({ id }) => id);
    const victims = new Set(draw(among, Math.ceil(plan.share * among.length)));
    for (const instance of victims) {
      await admin.kill({ instance });
      if (plan.pauseMs > 0) await sleep(plan.pauseMs);
    }
    const survivors = living.filter(({ id }) => !victims.has(id));
    const nodesLost = NODES - new Set(survivors.map((row) => row.function)).size;
    let [survived, wrong] = [0, 0];
    for (let index = 0; index < OBJECTS; index++) {
      const read = await cache.get(`object ${index}`);
      if (read.kind !== "hit") continue;
      survived++;
      if (!makeBytes(index, OBJECT_BYTES).equals(read.bytes)) wrong++;
    }
    const { failovers, missesLost, missesUnreachable, repairs } = (await status()).counters;
    const isAtOnce = plan.pauseMs === 0;
    return {
      ...{ name: plan.name, killed: victims.size, objects: OBJECTS, survived, wrong },
      nodesLost: isAtOnce ? nodesLost : null,
      expected: isAtOnce ? expectedSurvivors(plan, hasBackup) : null,
      expectedGiven: isAtOnce ? survivorsOf(onlyNumber(nodesLost)) : null,
      ...{ failovers, missesLost, missesUnreachable, repairs },
    };
  } finally {
    await cache.close();
    await up.stop();
  }
}

async function untilCopied(status: () => Promise<ProxyStatus>): Promise<void> {
  const endsAt = performance.now() + ROUNDS_MS_MAX;
  for (;;) {
    const { rows } = (await status()).nodes;
    if (rows.every(({ chunks, copies, isInRound }) => copies === chunks && !isInRound)) return;
    if (performance.now() > endsAt) throw new Error("the rounds did not end in time");
    await sleep(LOOK_MS);
  }
}

/** What the model expects, with all that is stored copied, or nothing of it. */
function expectedSurvivors({ whom, share }: MassCase, hasBackup: boolean): number {
  if (!hasBackup) return survivorsOf(onlyNumber(Math.ceil(share * NODES)));
  if (whom === "primaries") return 1;
  return survivorsOf(nodesLostOfPairs(NODES, Math.ceil(share * 2 * NODES)));
}

/** The share of objects that survive when d nodes are lost with the probability at d. */
function survivorsOf(nodesLost: readonly number[]): number {
  const exposure = { nodes: NODES, code: TEN_TWO, stripes: 1 };
  const rows = reclaimRows(exposure, nodesLost);
  return rows.reduce((sum, row) => sum + row.probability * row.objectSurvival, 0);
}

function onlyNumber(count: number): number[] {
  return [...Array.from({ length: count }, () => 0), 1];
}

function draw<Item>(items: readonly Item[], count: number): Item[] {
  const left = [...items];
  return Array.from({ length: count }, () =>
    left.splice(Math.floor(Math.random() * left.length), 1),
  ).flat();
}
