// The cost model of the paper (InfiniCache, FAST'20, section 4): what an hour of serving, warm-up and backup costs,
// and from how many GETs an hour a rented machine is cheaper. It takes prices from src/core/prices.ts; the machine
// of the proxy and traffic between zones are no part of it. What a real pool has spent, its ledger knows.

import { billedMs, dollars, gbSeconds, type PriceTable } from "../../core/prices.ts";

/** A round of one invocation per node. `everyMs` 0: there is none. */
export interface Round {
  readonly everyMs: number;
  /** How long the function runs each time. */
  readonly runMs: number;
}

/** A pool and its work. */
export interface PoolLoad {
  readonly nodes: number;
  readonly memoryMb: number;
  readonly warmUp: Round;
  readonly backup: Round;
  readonly getsPerHour: number;
  /** Functions that one GET invokes, and how long each runs for it. */
  readonly chunksPerGet: number;
  readonly chunkMs: number;
}

/** Dollars an hour, by purpose; and of one GET. */
export interface HourlyCost {
  readonly serving: number;
  readonly warmUp: number;
  readonly backup: number;
  readonly total: number;
  readonly perGet: number;
}

const HOUR_MS = 3_600_000;

/** What an hour costs at these prices. */
export function hourlyCost(prices: PriceTable, load: PoolLoad): HourlyCost {
  const { nodes, memoryMb } = load;
  const round = ({ everyMs, runMs }: Round) =>
    everyMs === 0 ? 0 : nodes * (HOUR_MS / everyMs) * invocation(prices, memoryMb, runMs);
  const [warmUp, backup] = [round(load.warmUp), round(load.backup)];
  const perGet = load.chunksPerGet * invocation(prices, memoryMb, load.chunkMs);
  const serving = load.getsPerHour * perGet;
  return { serving, warmUp, backup, total: serving + warmUp + backup, perGet };
}

/** From so many GETs an hour on, what costs `dollarsPerHour` whatever it serves is cheaper; 0: from none on. */
export function crossoverGetsPerHour(cost: HourlyCost, dollarsPerHour: number): number {
  return Math.max(0, (dollarsPerHour - cost.warmUp - cost.backup) / cost.perGet);
}

function invocation(prices: PriceTable, memoryMb: number, runMs: number): number {
  return dollars(prices, 1, gbSeconds(memoryMb, billedMs(prices, runMs, 0)));
}
