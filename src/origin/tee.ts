// One body for two readers, in step: the origin's reader leads, the cache's follows, and no part is held by both for
// longer than it takes. The follower is not told of the body's end before `commit`: until then a PUT cannot take effect.

/** See the header. */
export class Tee {
  readonly #source: AsyncIterator<Uint8Array>;
  #part: Uint8Array | null = null;
  #state: "flowing" | "ended" | "committed" | "failed" = "flowing";
  #fault: unknown = null;
  #hasFollower = true;
  #wakeFollower: (() => void) | null = null;
  #wakeLeader: (() => void) | null = null;
  #bytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes that have come so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What the source threw; null while it has not. */
  fault: { readonly error: unknown } | null = null;

  /** For the origin. */
  async *leader(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const next = await this.#fromSource();
        if (next.done === true) break;
        this.#bytes += next.value.length;
        this.#part = next.value;
        this.#wake();
        yield next.value;
        // The follower is done with the part when it asks for the next one.
        while (this.#part !== null && this.#hasFollower)
          await new Promise<void>((resolve) => {
            this.#wakeLeader = resolve;
          });
      }
      if (this.#state === "flowing") this.#state = "ended";
    } finally {
      if (this.#state === "flowing") {
        this.fail(new Error("the body was not read to its end"));
        await this.#source.return?.();
      }
    }
  }

  /** For the cache. */
  async *follower(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        while (this.#hasFollower && this.#part === null && this.#isOpen)
          await new Promise<void>((resolve) => {
            this.#wakeFollower = resolve;
          });
        if (this.#state === "failed") throw this.#fault;
        if (this.#part === null || !this.#hasFollower) return;
        yield this.#part;
        this.#part = null;
        this.#wake();
      }
    } finally {
      this.dropFollower();
    }
  }

  /** The cache has given up: the origin's reader goes on alone. */
  dropFollower(): void {
    this.#hasFollower = false;
    this.#part = null;
    this.#wake();
  }

  /** The origin has the body: the cache may have its end. */
  commit(): void {
    if (this.#state === "ended") this.#state = "committed";
    this.#wake();
  }

  /** The origin has refused: the follower throws this. */
  fail(error: unknown): void {
    if (this.#state === "failed" || this.#state === "committed") return;
    this.#state = "failed";
    this.#fault = error;
    this.#part = null;
    this.#wake();
  }

  get #isOpen(): boolean {
    return this.#state === "flowing" || this.#state === "ended";
  }

  async #fromSource(): Promise<IteratorResult<Uint8Array, unknown>> {
    try {
      return await this.#source.next();
    } catch (error) {
      this.fault = { error };
      this.fail(error);
      throw error;
    }
  }

  #wake(): void {
    const wakes = [this.#wakeFollower, this.#wakeLeader];
    this.#wakeFollower = null;
    this.#wakeLeader = null;
    for (const wake of wakes) wake?.();
  }
}
