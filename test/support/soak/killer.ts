// Kills instances of the local Lambda service by a timetable: one every so often, several at once less often, each
// chosen evenly among those that live, and writes down which. Nobody tells the proxy.

import type { InstanceRow, LambdaAdmin } from "../../e2e/support/lambda-admin.ts";
import type { Kill } from "./misses.ts";
import { machineMs } from "./records.ts";

/** When how many are killed. */
export interface KillTimes {
  readonly oneEveryMs: number;
  readonly manyEveryMs: number;
  /** How many "many" are. */
  readonly many: number;
}

/** Kills when it is asked whether it is time. */
export class Killer {
  readonly kills: Kill[] = [];
  readonly #admin: LambdaAdmin;
  readonly #times: KillTimes;
  #oneAt: number;
  #manyAt: number;

  constructor(admin: LambdaAdmin, times: KillTimes, now: number) {
    this.#admin = admin;
    this.#times = times;
    this.#oneAt = now + times.oneEveryMs;
    this.#manyAt = now + times.manyEveryMs;
  }

  /** Kills what is due; null: nothing was. */
  async look(now: number): Promise<Kill | null> {
    let count = 0;
    if (now >= this.#oneAt) {
      count++;
      this.#oneAt += this.#times.oneEveryMs;
    }
    if (now >= this.#manyAt) {
      count += this.#times.many;
      this.#manyAt += this.#times.manyEveryMs;
    }
    return count === 0 ? null : await this.#kill(count);
  }

  async #kill(count: number): Promise<Kill> {
    const living = await this.#admin.instances();
    const chosen = pick(living, count);
    const at = machineMs();
    await Promise.all(chosen.map(({ id }) => this.#admin.kill({ instance: id })));
    const victims = chosen.map((row) => ({ function: row.function, role: roleOf(row, living) }));
    const kill = { at, victims };
    this.kills.push(kill);
    return kill;
  }
}

/** The service knows no roles; but primaries serve, and replicas are invoked for backups only. */
function roleOf(row: InstanceRow, living: readonly InstanceRow[]): "primary" | "replica" {
  const isBusier = living.some(
    (other) => other.function === row.function && other.invocations > row.invocations,
  );
  return isBusier ? "replica" : "primary";
}

function pick(rows: readonly InstanceRow[], count: number): InstanceRow[] {
  const left = [...rows];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(Math.floor(Math.random() * left.length), 1),
  ).flat();
}
