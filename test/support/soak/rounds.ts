// What backup rounds move and bill on real processes, with every function held to 78 MB/s each way by the local Lambda
// service: of a node with 100 MB of which 1 MB has changed, and of nodes where nothing has. From the ledger, which has it
// from the platform's own reports.

import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyStatus } from "../../../src/core/status.ts";
import { type Cache, connect } from "../../../src/entry/library.ts";
import { makeBytes } from "../../e2e/support/bytes.ts";
import { LambdaAdmin } from "../../e2e/support/lambda-admin.ts";
import { serve } from "../../e2e/support/processes.ts";

/** What rounds came to. A round has two sides, each an invocation. */
export interface RoundFigures {
  readonly rounds: number;
  readonly movedBytes: number;
  readonly invocations: number;
  readonly billedMs: number;
  /** Billed for a side, on average. */
  readonly msPerSide: number;
}

/** One object of the node. */
export const OBJECT_BYTES = 1_000_000;
const OBJECTS = 100;
const INTERVAL_MS = 2_000;
/** For a machine that others use, too. */
const ROUNDS_MS_MAX = 90_000;
const LOOK_MS = 50;
const UNCHANGED_INTERVAL_MS = 500;

/** The round of a node with 100 MB after one object of 1 MB was replaced. */
export async function roundOfOneChange(): Promise<RoundFigures> {
  return await withPool(
    ["--nodes", "1", "--memory", "384", "--code", "1+0"],
    INTERVAL_MS,
    changeOne,
  );
}

/** At least `rounds` rounds of three nodes with data that has not changed. */
export async function roundsWithoutChange(rounds: number): Promise<RoundFigures> {
  // Under `hit` every round looks, and nothing was read.
  const pool = ["--nodes", "3", "--memory", "128", "--code", "2+1", "--backup-select", "hit"];
  return await withPool(pool, UNCHANGED_INTERVAL_MS, async (cache, status) => {
    await cache.put("object", makeBytes(1, OBJECT_BYTES));
    await until(async () => (await status()).counters.backups >= 3);
    const before = await status();
    await until(async () => (await status()).counters.backups >= before.counters.backups + rounds);
    return between(before, await status());
  });
}

type StatusReader = () => Promise<ProxyStatus>;

async function changeOne(cache: Cache, status: StatusReader): Promise<RoundFigures> {
  for (let index = 0; index < OBJECTS; index++)
    await cache.put(`object ${index}`, makeBytes(index, OBJECT_BYTES));
  const isSynced = async (): Promise<boolean> => {
    const [row] = (await status()).nodes.rows;
    return row?.chunks === OBJECTS && row.copies === OBJECTS && !row.isInRound;
  };
  await until(isSynced);
  const before = await status();
  await cache.put("object 7", makeBytes(1_007, OBJECT_BYTES));
  await until(async () => (await status()).counters.backups > before.counters.backups);
  await until(isSynced);
  return between(before, await status());
}

function between(before: ProxyStatus, after: ProxyStatus): RoundFigures {
  const [from, to] = [before.cost.byPurpose.backup, after.cost.byPurpose.backup];
  const invocations = to.invocations - from.invocations;
  const billedMs = to.billedMs - from.billedMs;
  return {
    rounds: after.counters.backups - before.counters.backups,
    movedBytes: after.counters.backupBytes - before.counters.backupBytes,
    ...{ invocations, billedMs, msPerSide: billedMs / invocations },
  };
}

async function withPool<Result>(
  pool: readonly string[],
  intervalMs: number,
  run: (cache: Cache, status: StatusReader) => Promise<Result>,
): Promise<Result> {
  const up = await serve([
    ...["up", "--port", "0", "--freeze", "forwarder", "--warm-up", "0", ...pool],
    ...["--backup-interval", `${intervalMs}ms`],
  ]);
  const cache = connect({ url: up.ready.client });
  try {
    await new LambdaAdmin(up.ready.lambda).bandwidth("flat");
    // The proxy is of this package, and reports as core/status.ts says.
    return await run(cache, async () => (await cache.status()) as ProxyStatus);
  } finally {
    await cache.close();
    await up.stop();
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + ROUNDS_MS_MAX;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error("the rounds did not end in time");
    await sleep(LOOK_MS);
  }
}
