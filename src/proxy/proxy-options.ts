// What a proxy is made of and the world around it: interfaces only. Whoever composes one, really or in simulation, fills them.

import type { Access } from "../core/access.ts";
import type { CodeRule } from "../core/code.ts";
import type { EvictionPolicy } from "../core/eviction.ts";
import type { Ledger } from "../core/ledger.ts";
import type { Spread } from "../core/placement.ts";
import type {
  Clock,
  Crypto,
  FunctionPlatform,
  Random,
  TableStore,
  WallClock,
} from "../core/ports.ts";
import type { BackupSelection } from "./backup-round.ts";
import type { ObjectVersion } from "./object-version.ts";
import type { RepairLimits } from "./repair-budget.ts";
import type { RingDuty } from "./ring-duty.ts";
import type { StayPlan } from "./stay.ts";

/** What a proxy is made of. */
export interface ProxyCoreOptions {
  readonly pool: string;
  readonly nodes: number;
  /** What a node may hold until its instance says so itself. */
  readonly nodeBudgetBytes: number;
  readonly secret: Uint8Array;
  readonly codeRules: readonly CodeRule[];
  /** How long functions wait for more work. */
  readonly stay: StayPlan;
  /** 0: no warm-up. */
  readonly warmUpIntervalMs: number;
  /** 0: no backups. */
  readonly backupIntervalMs: number;
  readonly backupSelection: BackupSelection;
  /** How long after its quorum a stripe waits for its last chunks. */
  readonly stragglerMs: number;
  /** Over how many nodes the stripes of one object go; absent: wide. */
  readonly spread?: Spread;
  /** What repairs may spend; absent: the default limits. */
  readonly repair?: RepairLimits;
  /** Shorter chunks always go through the proxy; absent: 128 KiB. */
  readonly directChunkBytesMin?: number;
  /** What the proxy keeps of small objects in its own memory; absent: 16 MiB, 0: nothing. */
  readonly hotBytes?: number;
  /** What all chunk transfers may have on their way together; absent: 32 MiB. */
  readonly transferBytes?: number;
  /** Absent: this proxy owns every key. */
  readonly ring?: RingDuty;
  /** What tokens of clients stand for; absent: everybody may do everything. */
  readonly access?: Access;
  /** Another proxy has taken over the pool, and this one has stood aside. Called once at most. */
  readonly onSuperseded?: (reason: string) => void;
  readonly ports: ProxyPorts;
}

/** The world around a proxy. */
export interface ProxyPorts {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly platform: FunctionPlatform;
  readonly store: TableStore;
  readonly eviction: EvictionPolicy<ObjectVersion>;
  readonly ledger: Ledger;
  /** 16 bytes that name a key in chunk identities: the same function as the clients'. */
  hashKey(key: Uint8Array): Uint8Array;
}
