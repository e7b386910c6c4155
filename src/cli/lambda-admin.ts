// The admin API of the local Lambda service, as the chaos commands and the demo use it: over HTTP, so that it
// makes no difference whether the service runs in this process. AWS has nothing of the kind.

import { HttpClient } from "../host/http-client.ts";
import { CommandError } from "./exit-codes.ts";

/** An instance as far as we show it. */
export interface InstanceRow {
  readonly function: string;
  readonly id: string;
  readonly pid: number;
}

/** Talks to one service. */
export class LambdaAdminClient {
  readonly #url: string;
  readonly #http = new HttpClient({ timeoutMs: 10_000 });

  constructor(url: string) {
    this.#url = url.replace(/\/$/, "");
  }

  async instances(): Promise<readonly InstanceRow[]> {
    return this.#list<InstanceRow>("GET", "instances", "instances");
  }

  /** Kills `count` random instances, all of one function, or one; the ids. */
  kill(
    selection:
      | { readonly count: number }
      | { readonly function: string }
      | { readonly instance: string },
  ): Promise<readonly string[]> {
    return this.#list("POST", "kill", "killed", selection);
  }

  reclaimAll(): Promise<readonly string[]> {
    return this.#list("POST", "reclaim-all", "killed", {});
  }

  freeze(count: number): Promise<readonly string[]> {
    return this.#list("POST", "freeze", "frozen", { count });
  }

  thaw(): Promise<readonly string[]> {
    return this.#list("POST", "thaw", "thawed", {});
  }

  close(): void {
    this.#http.close();
  }

  async #list<Row = string>(
    method: string,
    operation: string,
    field: string,
    fields?: Readonly<Record<string, unknown>>,
  ): Promise<readonly Row[]> {
    const url = `${this.#url}/infinicache/admin/${operation}`;
    let answer: unknown;
    try {
      answer = await this.#http.json(method, url, fields);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CommandError(
        "unreachable",
        `no local Lambda service answers at ${this.#url} (${reason})\nname its address with --lambda`,
        { cause: error },
      );
    }
    // The service is of this package, and its answers are as admin-api.ts makes them.
    return (answer as Readonly<Record<string, readonly Row[]>>)[field] ?? [];
  }
}
