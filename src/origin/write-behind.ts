// Write-behind: an origin whose changes are durable in a journal first and reach the store behind it later, each key's in
// their order, a newer one in place of an older. A key with an entry in the journal is read from there, never from the store.

import type { Clock, Random, Timer } from "../core/ports.ts";
import type { OriginStatus } from "../core/status.ts";
import type { Journal, JournalEntry } from "./journal.ts";
import type { OriginObject, OriginPut, OriginStore } from "./store.ts";

/** Entries on their way to the store at once. */
const FLUSHES_MAX = 4;
/** The pause after a failure: doubled each time, drawn between a half and the whole. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 60_000;
/** How long `close` lets entries go to the store; what is left stays in the journal for the next start. */
const CLOSE_MS_MAX = 5_000;

/** What it is made of. */
export interface WriteBehindOptions {
  readonly journal: Journal;
  readonly store: OriginStore;
  readonly clock: Clock;
  readonly random: Random;
}

interface Failed {
  readonly entry: JournalEntry;
  readonly attempts: number;
  readonly retryAt: number;
}

/** See the header. */
export class WriteBehind implements OriginStore {
  readonly #options: WriteBehindOptions;
  readonly #underWay = new Map<string, JournalEntry>();
  readonly #failed = new Map<string, Failed>();
  readonly #closing = new AbortController();
  #timer: Timer | null = null;
  #onIdle: (() => void) | null = null;
  #isClosing = false;
  #flushed = 0;
  #errors = 0;
  #lastError: string | null = null;

  /** What the journal holds is on its way at once. */
  constructor(options: WriteBehindOptions) {
    this.#options = options;
    this.#pump();
  }

  status(now: number): NonNullable<OriginStatus["journal"]> {
    const { journal } = this.#options;
    const [oldest] = journal.entries.values();
    return {
      entries: journal.entries.size,
      bytes: journal.bytes,
      bytesMax: journal.bytesMax,
      oldestMs: oldest === undefined ? null : Math.max(0, now - oldest.atMs),
      flushed: this.#flushed,
      flushErrors: this.#errors,
      lastError: this.#lastError,
      refused: journal.refused,
    };
  }

  async get(key: string, signal: AbortSignal): Promise<OriginObject | null> {
    const { journal, store } = this.#options;
    const entry = journal.entries.get(key);
    if (entry === undefined) return await store.get(key, signal);
    if (entry.kind === "remove") return null;
    const { bytes, metadata, expiresAtMs } = entry;
    return { bytes, metadata, expiresAtMs, body: journal.body(entry) };
  }

  async head(
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly expiresAtMs: number | null } | null> {
    const { journal, store } = this.#options;
    const entry = journal.entries.get(key);
    if (entry === undefined) return await store.head(key, signal);
    return entry.kind === "remove" ? null : entry;
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { bytes, metadata, expiresAtMs, ifAbsent, signal }: OriginPut,
  ): Promise<"stored" | "exists"> {
    if (ifAbsent && (await this.head(key, signal)) !== null) return "exists";
    const change = { key, kind: "put", metadata, expiresAtMs } as const;
    await this.#options.journal.append(change, abortable(body, signal), bytes);
    this.#pump();
    return "stored";
  }

  async remove(key: string, signal: AbortSignal): Promise<boolean> {
    const existed = (await this.head(key, signal)) !== null;
    const change = { key, kind: "remove", metadata: {}, expiresAtMs: null } as const;
    await this.#options.journal.append(change, nothing(), 0);
    this.#pump();
    return existed;
  }

  /** Flushes for a while, then stops; what is left stays in the journal. */
  async close(): Promise<void> {
    const { journal, store, clock } = this.#options;
    if (journal.entries.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(CLOSE_MS_MAX, resolve);
        this.#onIdle = () => {
          timer.cancel();
          resolve();
        };
        this.#failed.clear(); // Once more, at once.
        this.#pump();
      });
    }
    this.#isClosing = true;
    this.#timer?.cancel();
    this.#closing.abort();
    await store.close();
    await journal.close();
  }

  #pump(): void {
    const { journal, clock } = this.#options;
    if (this.#isClosing) return;
    if (journal.entries.size === 0 && this.#underWay.size === 0) this.#onIdle?.();
    const now = clock.now();
    let nextAt = Number.POSITIVE_INFINITY;
    for (const entry of journal.entries.values()) {
      if (this.#underWay.size >= FLUSHES_MAX) return;
      if (this.#underWay.has(entry.key)) continue;
      const failed = this.#failed.get(entry.key);
      // A newer change of the key waits as the older one did: it is the origin that failed.
      if (failed !== undefined && failed.retryAt > now) {
        nextAt = Math.min(nextAt, failed.retryAt);
        continue;
      }
      this.#underWay.set(entry.key, entry);
      void this.#flush(entry);
    }
    this.#timer?.cancel();
    this.#timer = null;
    if (nextAt === Number.POSITIVE_INFINITY) return;
    this.#timer = clock.setTimer(Math.max(1, nextAt - now), () => this.#pump());
  }

  async #flush(entry: JournalEntry): Promise<void> {
    const { journal, store, clock, random } = this.#options;
    const { signal } = this.#closing;
    const { key, bytes, metadata, expiresAtMs } = entry;
    try {
      if (entry.kind === "remove") await store.remove(key, signal);
      else
        await store.put(key, journal.body(entry), {
          ...{ bytes, metadata, expiresAtMs, signal },
          ifAbsent: false,
        });
      this.#failed.delete(key);
      this.#flushed += 1;
      await journal.done(entry);
    } catch (error) {
      if (!this.#isClosing) {
        this.#errors += 1;
        this.#lastError = error instanceof Error ? error.message : String(error);
      }
      const attempts = (this.#failed.get(key)?.attempts ?? 0) + 1;
      const pauseMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempts - 1, 10));
      const retryAt = clock.now() + pauseMs / 2 + random.below(Math.ceil(pauseMs / 2));
      this.#failed.set(key, { entry, attempts, retryAt });
    }
    this.#underWay.delete(key);
    this.#pump();
  }
}

async function* abortable(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of body) {
    signal.throwIfAborted();
    yield part;
  }
  signal.throwIfAborted();
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
