// A durable log of changes that the origin does not have yet. What `append` has acknowledged survives the death of the
// process and of the machine; a torn end is cut off at the next opening. Of each key only the last change is kept. The log
// is cut from its beginning, in order, so that the word that an entry is done never goes before the entry.

import { AssertionError } from "../core/assert.ts";
import { CacheError } from "../core/errors.ts";
import { originError } from "./bodies.ts";
import {
  type Checksum,
  decodeRecord,
  encodeRecord,
  PAYLOAD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  type RecordType,
  recordLength,
} from "./journal-record.ts";

/** Files of a journal, appended to one at a time. Numbers grow. */
export interface JournalFiles {
  readonly checksum: Checksum;
  list(): Promise<readonly { readonly segment: number; readonly bytes: number }[]>;
  /** Shorter at the file's end. */
  read(segment: number, position: number, bytes: number): Promise<Uint8Array>;
  /** Makes the file where it is absent. The bytes are borrowed until this resolves. */
  append(segment: number, bytes: Uint8Array): Promise<void>;
  /** All that was appended to it is durable, and that there is such a file. */
  sync(segment: number): Promise<void>;
  truncate(segment: number, bytes: number): Promise<void>;
  remove(segment: number): Promise<void>;
  close(): Promise<void>;
}

/** A file is full at this: so much at most is held by one change that does not reach the origin. */
const SEGMENT_BYTES_DEFAULT = 16 * 1_024 * 1_024;
/** Entries that may be pending. */
const ENTRIES_MAX = 100_000;

/** What is kept with a change. */
export interface Change {
  readonly key: string;
  readonly kind: "put" | "remove";
  readonly metadata: Readonly<Record<string, string>>;
  readonly expiresAtMs: number | null;
}

interface Place {
  readonly segment: number;
  readonly position: number;
  readonly bytes: number;
}

/** A change that the origin does not have yet. */
export interface JournalEntry extends Change {
  readonly id: number;
  /** Of the body. */
  readonly bytes: number;
  readonly atMs: number;
  readonly parts: readonly Place[];
}

/** What the journal must know of its world. */
export interface JournalOptions {
  readonly bytesMax: number;
  readonly segmentBytes?: number;
  /** Time of day. */
  now(): number;
}

/** See the header. */
export class Journal {
  readonly #files: JournalFiles;
  readonly #options: JournalOptions;
  readonly #pending = new Map<string, JournalEntry>();
  /** Bytes of each file, in order. */
  readonly #segments = new Map<number, number>();
  /** How many need the file: entries, readers, bodies under way. */
  readonly #holds = new Map<number, number>();
  readonly #holdsOf = new Map<number, Set<number>>();
  #nextId = 1;
  #current = 1;
  #queue: Promise<unknown> = Promise.resolve();
  #syncing: Promise<void> | null = null;
  #syncNext: Promise<void> | null = null;
  #failure: unknown = null;
  #isClosed = false;
  refused = 0;

  private constructor(files: JournalFiles, options: JournalOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** Reads what there is. Rejects when it is damaged elsewhere than at its end. */
  static async open(files: JournalFiles, options: JournalOptions): Promise<Journal> {
    const journal = new Journal(files, options);
    await journal.#recover();
    return journal;
  }

  /** The last change of each key that is not done, the oldest first. */
  get entries(): ReadonlyMap<string, JournalEntry> {
    return this.#pending;
  }

  /** Bytes of all files. */
  get bytes(): number {
    let sum = 0;
    for (const bytes of this.#segments.values()) sum += bytes;
    return sum;
  }

  get bytesMax(): number {
    return this.#options.bytesMax;
  }

  /**
   * Resolves when the change is durable; it is then the key's entry. Of one key, one change at a time.
   * Rejects with `ICACHE_OVERLOADED` when the journal is full, and with what the body throws.
   */
  async append(
    change: Change,
    body: AsyncIterable<Uint8Array>,
    bytes: number | null,
  ): Promise<JournalEntry> {
    this.#checkRoom(bytes ?? 0);
    const id = this.#nextId++;
    const parts: Place[] = [];
    let total = 0;
    try {
      for await (const part of body) {
        for (let at = 0; at < part.length; at += PAYLOAD_BYTES_MAX) {
          const payload = part.subarray(at, at + PAYLOAD_BYTES_MAX);
          this.#checkRoom(payload.length);
          parts.push(await this.#write("part", id, payload));
          total += payload.length;
        }
      }
      const entry: JournalEntry = { ...change, id, bytes: total, atMs: this.#options.now(), parts };
      const { key, kind, metadata, expiresAtMs, atMs } = entry;
      const told = { key, kind, metadata, expiresAtMs, atMs, bytes: total };
      await this.#write("commit", id, new TextEncoder().encode(JSON.stringify(told)));
      await this.#sync();
      this.#adopt(entry);
      return entry;
    } catch (error) {
      this.#letGo(id);
      throw error;
    }
  }

  /** The origin has the entry. True when no newer one of its key is pending. */
  async done(entry: JournalEntry): Promise<boolean> {
    if (this.#pending.get(entry.key) !== entry) return false;
    this.#pending.delete(entry.key);
    // Not synced: if it is lost, so is all that came after it, and the same is written again.
    await this.#write("done", entry.id, new TextEncoder().encode(JSON.stringify(entry.key)));
    this.#letGo(entry.id);
    await this.#cut();
    return true;
  }

  /** The body of an entry; its files stay until it is read to its end or left. */
  body(entry: JournalEntry): AsyncIterable<Uint8Array> {
    const reader = this.#nextId++;
    for (const { segment } of entry.parts) this.#hold(reader, segment);
    const parts = entry.parts.values();
    const stop = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      this.#letGo(reader);
      await this.#cut();
      return { done: true, value: undefined };
    };
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      const part = parts.next();
      if (part.done === true) return await stop();
      const { segment, position, bytes } = part.value;
      const record = decodeRecord(
        await this.#files.read(segment, position, bytes),
        this.#files.checksum,
      );
      if (record?.type === "part" && record.id === entry.id)
        return { done: false, value: record.payload };
      await stop();
      throw originError(`the journal is damaged: ${segment} at ${position}`);
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: stop }) };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#queue.catch(() => undefined);
    await this.#files.close();
  }

  #checkRoom(bytes: number): void {
    const { bytesMax } = this.#options;
    if (this.#failure !== null)
      throw originError("the journal could not be written and takes nothing more", this.#failure);
    if (this.#isClosed) throw new CacheError("ICACHE_CLOSED", "the journal was closed");
    if (bytes > bytesMax)
      throw new CacheError("ICACHE_TOO_LARGE", `the journal may have ${bytesMax} bytes`);
    if (this.bytes + bytes <= bytesMax && this.#pending.size < ENTRIES_MAX) return;
    this.refused += 1;
    throw new CacheError(
      "ICACHE_OVERLOADED",
      `the journal is full: ${this.#pending.size} changes wait for the origin`,
    );
  }

  #adopt(entry: JournalEntry): void {
    const before = this.#pending.get(entry.key);
    if (before !== undefined) this.#letGo(before.id);
    // Deleted first, so that the order of the map is that of the changes.
    this.#pending.delete(entry.key);
    this.#pending.set(entry.key, entry);
  }

  #write(type: RecordType, id: number, payload: Uint8Array): Promise<Place> {
    const record = encodeRecord({ type, id, payload }, this.#files.checksum);
    const writing = this.#queue.then(async () => {
      if (this.#failure !== null) throw originError("the journal has failed", this.#failure);
      try {
        return await this.#writeNow(record, type === "done" ? null : id);
      } catch (error) {
        this.#failure = error; // What is on the disk now is not known: nothing may follow it.
        throw originError("the journal cannot be written", error);
      }
    });
    this.#queue = writing.catch(() => undefined);
    return writing;
  }

  async #writeNow(record: Uint8Array, holder: number | null): Promise<Place> {
    let position = this.#segments.get(this.#current) ?? 0;
    if (position >= (this.#options.segmentBytes ?? SEGMENT_BYTES_DEFAULT)) {
      // A full file is whole before the next one begins: a torn record can only be at the very end.
      await this.#files.sync(this.#current);
      this.#current += 1;
      position = 0;
    }
    const segment = this.#current;
    if (holder !== null) this.#hold(holder, segment);
    this.#segments.set(segment, position + record.length);
    await this.#files.append(segment, record);
    return { segment, position, bytes: record.length };
  }

  /** One sync for all who wait: whoever comes while one is under way shares the next. */
  #sync(): Promise<void> {
    if (this.#syncNext !== null) return this.#syncNext;
    const before = this.#syncing ?? Promise.resolve();
    const next = before
      .catch(() => undefined)
      .then(async () => {
        this.#syncNext = null;
        this.#syncing = next;
        if (this.#failure !== null) throw originError("the journal has failed", this.#failure);
        try {
          await this.#files.sync(this.#current);
        } catch (error) {
          this.#failure = error;
          throw originError("the journal cannot be made durable", error);
        }
      });
    this.#syncNext = next;
    return next;
  }

  #hold(holder: number, segment: number): void {
    const held = this.#holdsOf.get(holder) ?? new Set();
    this.#holdsOf.set(holder, held);
    if (held.has(segment)) return;
    held.add(segment);
    this.#holds.set(segment, (this.#holds.get(segment) ?? 0) + 1);
  }

  #letGo(holder: number): void {
    for (const segment of this.#holdsOf.get(holder) ?? [])
      this.#holds.set(segment, (this.#holds.get(segment) ?? 1) - 1);
    this.#holdsOf.delete(holder);
  }

  /** Removes what nobody needs from the beginning of the log. */
  async #cut(): Promise<void> {
    const cutting = this.#queue.then(async () => {
      let isSynced = false;
      for (const segment of this.#segments.keys()) {
        if (segment === this.#current || (this.#holds.get(segment) ?? 0) > 0) return;
        // The word that an entry is done must be durable before a part of the entry goes.
        if (!isSynced) await this.#files.sync(this.#current);
        isSynced = true;
        this.#segments.delete(segment);
        this.#holds.delete(segment);
        await this.#files.remove(segment);
      }
    });
    this.#queue = cutting.catch(() => undefined);
    await this.#queue;
  }

  async #recover(): Promise<void> {
    const bodies = new Map<number, Place[]>();
    const found = (await this.#files.list()).toSorted((a, b) => a.segment - b.segment);
    for (const [at, { segment, bytes }] of found.entries()) {
      this.#current = segment;
      const whole = await this.#replay(segment, bytes, bodies);
      this.#segments.set(segment, whole);
      if (whole === bytes) continue;
      if (at < found.length - 1)
        throw originError(`the journal is damaged: file ${segment} at ${whole} of ${bytes} bytes`);
      await this.#files.truncate(segment, whole);
    }
    for (const { id, bytes, parts } of this.#pending.values()) {
      const whole = parts.reduce((sum, part) => sum + part.bytes - RECORD_HEADER_BYTES, 0);
      if (whole !== bytes) throw originError(`the journal is damaged: parts of ${id} are gone`);
    }
    const pending = new Set([...this.#pending.values()].map(({ id }) => id));
    for (const id of [...this.#holdsOf.keys()]) if (!pending.has(id)) this.#letGo(id);
    await this.#cut();
  }

  /** How many bytes of the file are whole records. */
  async #replay(segment: number, bytes: number, bodies: Map<number, Place[]>): Promise<number> {
    let position = 0;
    while (position < bytes) {
      const header = await this.#files.read(segment, position, RECORD_HEADER_BYTES);
      const length = recordLength(header);
      if (length === null || position + length > bytes) break;
      const record = decodeRecord(
        await this.#files.read(segment, position, length),
        this.#files.checksum,
      );
      if (record === null) break;
      const { type, id, payload } = record;
      this.#nextId = Math.max(this.#nextId, id + 1);
      const place = { segment, position, bytes: length };
      if (type !== "done") this.#hold(id, segment);
      if (type === "part") bodies.set(id, [...(bodies.get(id) ?? []), place]);
      if (type === "commit") {
        const entry = { ...this.#told(payload), id, parts: bodies.get(id) ?? [] };
        this.#adopt(entry);
        bodies.delete(id);
      }
      if (type === "done") this.#forget(id, payload);
      position += length;
    }
    return position;
  }

  #forget(id: number, payload: Uint8Array): void {
    const key: unknown = JSON.parse(new TextDecoder().decode(payload));
    if (typeof key !== "string") throw new AssertionError("a done record names a key");
    if (this.#pending.get(key)?.id === id) this.#pending.delete(key);
  }

  #told(payload: Uint8Array): Omit<JournalEntry, "id" | "parts"> {
    // Its checksum has proven that it is ours.
    return JSON.parse(new TextDecoder().decode(payload)) as Omit<JournalEntry, "id" | "parts">;
  }
}
