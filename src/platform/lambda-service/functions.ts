// The registry of functions: configuration, code, reserved concurrency, and the rules AWS has for
// them. Knows no process and no HTTP; says through return values when warm environments must go.

import { randomUUID } from "node:crypto";
import { functionArn } from "./arn.ts";
import type { StoredCode } from "./code-store.ts";
import { invalidParameter, resourceConflict, resourceNotFound } from "./errors.ts";
import { type FunctionConfiguration, parseConfiguration } from "./function-configuration.ts";

/** A function as deployed. Replaced as a whole on every update. */
export interface DeployedFunction {
  readonly name: string;
  readonly arn: string;
  readonly configuration: FunctionConfiguration;
  readonly code: StoredCode;
  readonly tags: Readonly<Record<string, string>>;
  /** Null: shares the account's unreserved concurrency. */
  readonly reserved: number | null;
  readonly revisionId: string;
  readonly lastModifiedMs: number;
}

/** What reserving must leave to the others, as on AWS, or all of a smaller account. */
const UNRESERVED_MIN = 100;
const FUNCTIONS_MAX = 10_000;

/** All functions of the account. */
export class FunctionRegistry {
  readonly #region: string;
  readonly #accountId: string;
  readonly #accountConcurrency: number;
  readonly #functions = new Map<string, DeployedFunction>();

  constructor(account: { region: string; accountId: string; accountConcurrency: number }) {
    this.#region = account.region;
    this.#accountId = account.accountId;
    this.#accountConcurrency = account.accountConcurrency;
  }

  /** The function, or a 404. */
  get(name: string): DeployedFunction {
    const found = this.#functions.get(name);
    if (found === undefined) throw resourceNotFound(this.arn(name));
    return found;
  }

  /** All functions by name. */
  list(): DeployedFunction[] {
    return [...this.#functions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The ARN a name would have. */
  arn(name: string): string {
    return functionArn(this.#region, this.#accountId, name);
  }

  /** Adds a function; the caller has stored its code. */
  create(
    name: string,
    body: Readonly<Record<string, unknown>>,
    code: StoredCode,
  ): DeployedFunction {
    this.assertFree(name);
    if (this.#functions.size >= FUNCTIONS_MAX) throw invalidParameter("Too many functions.");
    return this.#set({
      name,
      arn: this.arn(name),
      configuration: parseConfiguration(body, null),
      code,
      tags: parseTags(body["Tags"]),
      reserved: null,
      revisionId: randomUUID(),
      lastModifiedMs: Date.now(),
    });
  }

  /** A 409 when the name is taken. */
  assertFree(name: string): void {
    if (this.#functions.has(name)) throw resourceConflict(`Function already exist: ${name}`);
  }

  /** Changes the configuration. Its warm environments are of an older revision from now on. */
  updateConfiguration(name: string, body: Readonly<Record<string, unknown>>): DeployedFunction {
    const before = this.get(name);
    return this.#replace(before, { configuration: parseConfiguration(body, before.configuration) });
  }

  /** Changes the code. Its warm environments are of an older revision from now on. */
  updateCode(name: string, code: StoredCode): DeployedFunction {
    return this.#replace(this.get(name), { code });
  }

  /** Reserves concurrency (0 throttles everything), or gives it back with null. Environments stay. */
  reserve(name: string, reserved: number | null): void {
    const before = this.get(name);
    if (reserved !== null) {
      const others = this.#reservedTotal() - (before.reserved ?? 0);
      const leave = Math.min(UNRESERVED_MIN, this.#accountConcurrency);
      if (this.#accountConcurrency - others - reserved < leave && reserved > 0) {
        throw invalidParameter(
          "Specified ReservedConcurrentExecutions for function decreases account's " +
            `UnreservedConcurrentExecution below its minimum value of [${leave}].`,
        );
      }
    }
    this.#functions.set(name, { ...before, reserved });
  }

  /** The reservation of a function; null also for one that is gone. */
  reservedOf(name: string): number | null {
    return this.#functions.get(name)?.reserved ?? null;
  }

  /** What functions without a reservation share. */
  unreservedConcurrency(): number {
    return this.#accountConcurrency - this.#reservedTotal();
  }

  /** Removes a function. */
  delete(name: string): void {
    this.#functions.delete(this.get(name).name);
  }

  #replace(before: DeployedFunction, change: Partial<DeployedFunction>): DeployedFunction {
    return this.#set({
      ...before,
      ...change,
      revisionId: randomUUID(),
      lastModifiedMs: Date.now(),
    });
  }

  #set(deployed: DeployedFunction): DeployedFunction {
    this.#functions.set(deployed.name, deployed);
    return deployed;
  }

  #reservedTotal(): number {
    let total = 0;
    for (const { reserved } of this.#functions.values()) total += reserved ?? 0;
    return total;
  }
}

function parseTags(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((tag): tag is [string, string] => typeof tag[1] === "string"),
  );
}
