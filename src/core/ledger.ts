// The cost ledger: every invocation with its purpose goes in, and invocations, GB-seconds and money by
// purpose come out. The platform's own report decides; where there is none, a stated rule estimates, and the
// estimate is counted as one. All other accounting uses this. It invokes nothing and reads no clock.
//
// The rule: not started costs nothing. Anything else without a report is charged the time from the Invoke
// until it was known, or had to be taken, to be over, at the configured memory, rounded up to the billing unit,
// and at most the function's time-out. That is never less than what the provider will charge, but for INIT.

import { FUNCTION_TIMEOUT_MS } from "./limits.ts";
import type { BillingReport, InvokeOutcome, Purpose } from "./ports.ts";
import { billedMs, dollars, gbSeconds, type PriceTable } from "./prices.ts";
import type { PurposeCost } from "./status.ts";

/** Every purpose, in the order of reports. */
export const PURPOSES = [
  "serve",
  "warm-up",
  "backup",
  "repair",
  "recover",
] as const satisfies readonly Purpose[];

/** What was spent, and how much of it is estimated. */
export interface LedgerReport {
  readonly byPurpose: Readonly<Record<Purpose, PurposeCost>>;
  readonly total: PurposeCost;
  /** Invocations by purpose that had no report of the platform. */
  readonly estimatedInvocations: Readonly<Record<Purpose, number>>;
}

/** Whole numbers, so that parts add up exactly whatever the order. */
interface Account {
  invocations: number;
  estimated: number;
  billedMs: number;
  /** Megabytes times milliseconds; 2^53 of them are 186,000 years of 1.5 GB. */
  mbMs: number;
}

/** What one proxy's functions have cost. */
export class Ledger {
  readonly #prices: PriceTable;
  readonly #memoryMb: number;
  readonly #accounts: Readonly<Record<Purpose, Account>> = {
    serve: emptyAccount(),
    "warm-up": emptyAccount(),
    backup: emptyAccount(),
    repair: emptyAccount(),
    recover: emptyAccount(),
  };

  /** `memoryMb`: as configured, for what has no report. */
  constructor(prices: PriceTable, memoryMb: number) {
    this.#prices = prices;
    this.#memoryMb = memoryMb;
  }

  /** Books how an Invoke ended, `elapsedMs` after it began. */
  record(purpose: Purpose, outcome: InvokeOutcome, elapsedMs: number): void {
    if (outcome.kind === "notStarted") return;
    const report = outcome.kind === "unknown" ? null : outcome.report;
    if (report === null) this.recordEstimate(purpose, elapsedMs);
    else this.recordReport(purpose, report);
  }

  /** Books an invocation that the platform reported. */
  recordReport(purpose: Purpose, report: BillingReport): void {
    this.#book(purpose, report.memoryMb, report.billedMs);
  }

  /** Books an invocation without a report, by the rule above. */
  recordEstimate(purpose: Purpose, elapsedMs: number): void {
    const boundedMs = Math.min(Math.max(elapsedMs, 0), FUNCTION_TIMEOUT_MS);
    this.#accounts[purpose].estimated++;
    this.#book(purpose, this.#memoryMb, billedMs(this.#prices, boundedMs, 0));
  }

  /** What was spent so far for one purpose. */
  dollarsOf(purpose: Purpose): number {
    return this.#cost(this.#accounts[purpose]).dollars;
  }

  /** What was spent so far. */
  report(): LedgerReport {
    const { serve, "warm-up": warmUp, backup, repair, recover } = this.#accounts;
    const whole = emptyAccount();
    for (const purpose of PURPOSES) {
      const account = this.#accounts[purpose];
      whole.invocations += account.invocations;
      whole.billedMs += account.billedMs;
      whole.mbMs += account.mbMs;
    }
    return {
      byPurpose: {
        serve: this.#cost(serve),
        "warm-up": this.#cost(warmUp),
        backup: this.#cost(backup),
        repair: this.#cost(repair),
        recover: this.#cost(recover),
      },
      total: this.#cost(whole),
      estimatedInvocations: {
        serve: serve.estimated,
        "warm-up": warmUp.estimated,
        backup: backup.estimated,
        repair: repair.estimated,
        recover: recover.estimated,
      },
    };
  }

  #book(purpose: Purpose, memoryMb: number, ms: number): void {
    const account = this.#accounts[purpose];
    account.invocations++;
    account.billedMs += ms;
    account.mbMs += memoryMb * ms;
  }

  #cost(account: Account): PurposeCost {
    const { invocations, billedMs: billed, mbMs } = account;
    const used = gbSeconds(mbMs, 1);
    return {
      invocations,
      billedMs: billed,
      gbSeconds: used,
      dollars: dollars(this.#prices, invocations, used),
    };
  }
}

function emptyAccount(): Account {
  return { invocations: 0, estimated: 0, billedMs: 0, mbMs: 0 };
}
