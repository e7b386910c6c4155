// The object table in a state directory, by SQLite. A commit is safe against the death of the process without an fsync
// (31 µs instead of 198); against the death of the machine it is not, and so state of another boot that was not
// closed in order is never used: an old version could come back. It keeps rows and decides nothing about them.

import { randomInt } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { assert } from "../core/assert.ts";
import { RETRY_OUTCOMES_MAX } from "../core/limits.ts";
import type {
  LoadedTable,
  RingMark,
  StoredObject,
  StoredOutcome,
  StoredReplica,
  TableChange,
  TableStore,
} from "../core/ports.ts";
import { termFloor } from "../core/terms.ts";
import { bootId } from "./boot-id.ts";
import { moveAside } from "./move-aside.ts";
import { isDamage, StateError, stateError } from "./state-error.ts";
import { lockState, type StateLock } from "./state-lock.ts";
import { decodePlaces, encodePlaces } from "./stored-places.ts";

const SCHEMA_VERSION = 1;
const SCHEMA = `
  BEGIN;
  CREATE TABLE IF NOT EXISTS reign (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL, term INTEGER NOT NULL, next_version INTEGER NOT NULL,
    boot TEXT NOT NULL, is_closed INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS objects (
    key BLOB PRIMARY KEY,
    version INTEGER NOT NULL, bytes INTEGER NOT NULL,
    data_chunks INTEGER NOT NULL, parity_chunks INTEGER NOT NULL,
    stripe_count INTEGER NOT NULL, stripe_bytes INTEGER NOT NULL, last_stripe_bytes INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL,
    metadata TEXT NOT NULL, places BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS ring (
    id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, is_settled INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS outcomes (
    slot INTEGER PRIMARY KEY, number INTEGER NOT NULL,
    client TEXT NOT NULL, sequence INTEGER NOT NULL, change TEXT NOT NULL, value INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS replicas (
    node INTEGER PRIMARY KEY, instance TEXT NOT NULL, below INTEGER NOT NULL
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
  COMMIT;
`;
const U32_MAX = 2 ** 32 - 1;

/** What tests replace. */
export interface SqliteTableStoreOptions {
  readonly bootId?: string;
  readonly nowMs?: () => number;
}

interface Reign {
  readonly generation: number;
  readonly term: number;
  readonly next_version: number;
  readonly boot: string;
  readonly is_closed: number;
}

interface Statements {
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly reserve: StatementSync;
  readonly ring: StatementSync;
  readonly outcome: StatementSync;
  readonly replica: StatementSync;
  readonly noReplica: StatementSync;
}

/** The table in a directory. The constructor locks it; every method may throw StateError. */
export class SqliteTableStore implements TableStore {
  readonly #directory: string;
  readonly #path: string;
  readonly #bootId: string;
  readonly #nowMs: () => number;
  readonly #lock: StateLock;
  #database: DatabaseSync | null = null;
  #statements: Statements | null = null;
  /** Outcomes are numbered, and each takes the slot of the one RETRY_OUTCOMES_MAX before it. */
  #nextOutcome = 0;

  constructor(directory: string, options: SqliteTableStoreOptions = {}) {
    this.#directory = directory;
    this.#path = join(directory, "table.sqlite");
    this.#bootId = options.bootId ?? bootId();
    this.#nowMs = options.nowMs ?? Date.now;
    this.#lock = lockState(directory);
  }

  load(): LoadedTable {
    assert(this.#database === null, "a table is loaded once");
    try {
      return this.#loadOrBeginAnew();
    } catch (error) {
      throw stateError(error, this.#directory);
    }
  }

  commit(changes: readonly TableChange[]): void {
    const { database, statements } = this.#opened();
    try {
      database.exec("BEGIN");
      for (const change of changes)
        apply(statements, change, change.kind === "outcome" ? this.#nextOutcome++ : 0);
      database.exec("COMMIT");
    } catch (error) {
      try {
        database.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full.
      }
      throw error instanceof RangeError ? error : stateError(error, this.#directory);
    }
  }

  close(): void {
    const database = this.#database;
    const isLoaded = this.#statements !== null;
    this.#database = null;
    this.#statements = null;
    try {
      if (!isLoaded || database === null) {
        database?.close();
        return;
      }
      // From here on the state may be used after another boot: so it must have reached the disk.
      database.exec("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
      database.exec("UPDATE reign SET is_closed = 1; PRAGMA wal_checkpoint(TRUNCATE)");
      database.close();
    } catch (error) {
      throw stateError(error, this.#directory);
    } finally {
      this.#lock.release();
    }
  }

  #opened(): { readonly database: DatabaseSync; readonly statements: Statements } {
    assert(this.#database !== null && this.#statements !== null, "the table is not open");
    return { database: this.#database, statements: this.#statements };
  }

  #loadOrBeginAnew(): LoadedTable {
    let lastReign: Reign | null = null;
    let doubt: string | null;
    try {
      const database = openDatabase(this.#path);
      this.#database = database;
      const reign = readReign(database, this.#directory);
      if (reign === null) return this.#begin(null, null);
      lastReign = reign;
      doubt = this.#doubtAbout(database, reign);
      if (doubt === null) {
        const objects = readObjects(database);
        if (objects !== null) return this.#goOn(reign, objects);
        doubt = "the table has rows that make no sense";
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      doubt = "the table's file is damaged";
    }
    this.#database?.close();
    this.#database = null;
    const aside = moveAside(this.#path, this.#nowMs());
    this.#database = openDatabase(this.#path);
    return this.#begin(lastReign, `${doubt}; it was moved to ${aside}`);
  }

  #doubtAbout(database: DatabaseSync, reign: Reign): string | null {
    if (reign.boot !== this.#bootId && reign.is_closed === 0) {
      return "the machine went down while the proxy was running, so the last changes may not have reached the disk";
    }
    const verdict = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    return verdict === "ok" ? null : "the table's file is damaged";
  }

  #goOn(reign: Reign, objects: readonly StoredObject[]): LoadedTable {
    const { generation } = reign;
    const term = this.#termAfter(reign.term);
    const next = objects.reduce((max, { version }) => Math.max(max, version + 1), 1);
    const nextVersion = Math.max(reign.next_version, next);
    this.#database?.exec(SCHEMA); // Earlier releases knew no rings.
    this.#record({ generation, term, nextVersion });
    const { outcomes, next: nextOutcome } = readOutcomes(this.#database);
    this.#nextOutcome = nextOutcome;
    const kept = { objects, outcomes, replicas: readReplicas(this.#database) };
    return { generation, term, nextVersion, doubt: null, ...readRing(this.#database), ...kept };
  }

  /** A new generation, with a term above any that functions may have seen even where the last one is not known. */
  #begin(last: Reign | null, doubt: string | null): LoadedTable {
    const generation = otherThan(last?.generation ?? 0);
    const term = this.#termAfter(last?.term ?? 0);
    this.#database?.exec(SCHEMA);
    this.#record({ generation, term, nextVersion: 1 });
    return {
      ...{ generation, term, nextVersion: 1, doubt },
      ...{ objects: [], outcomes: [], replicas: [] },
    };
  }

  #termAfter(last: number): number {
    return Math.max(last + 1, termFloor(this.#nowMs()));
  }

  #record(now: {
    readonly generation: number;
    readonly term: number;
    readonly nextVersion: number;
  }): void {
    const database = this.#database;
    assert(database !== null, "the table is not open");
    // Lost with the machine, this row would make the commits after it look as if they had been closed in order.
    database.exec("PRAGMA synchronous = FULL");
    database
      .prepare("INSERT OR REPLACE INTO reign VALUES (1, ?, ?, ?, ?, 0)")
      .run(now.generation, now.term, now.nextVersion, this.#bootId);
    database.exec("PRAGMA synchronous = NORMAL");
    this.#statements = {
      put: database.prepare(
        "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ),
      remove: database.prepare("DELETE FROM objects WHERE key = ?"),
      reserve: database.prepare("UPDATE reign SET next_version = max(next_version, ?)"),
      ring: database.prepare("INSERT OR REPLACE INTO ring VALUES (1, ?, ?)"),
      outcome: database.prepare("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?)"),
      replica: database.prepare("INSERT OR REPLACE INTO replicas VALUES (?, ?, ?)"),
      noReplica: database.prepare("DELETE FROM replicas WHERE node = ?"),
    };
  }
}

const utf8 = new TextEncoder();
const text = new TextDecoder();

function apply(statements: Statements, change: TableChange, outcomeNumber: number): void {
  const { put, remove, reserve, ring } = statements;
  switch (change.kind) {
    case "put": {
      const { object } = change;
      put.run(
        utf8.encode(object.key),
        object.version,
        object.bytes,
        object.dataChunks,
        object.parityChunks,
        object.stripeCount,
        object.stripeBytes,
        object.lastStripeBytes,
        object.createdAtMs,
        object.expiresAtMs,
        JSON.stringify(object.metadata),
        encodePlaces(object.places),
      );
      break;
    }
    case "remove":
      remove.run(utf8.encode(change.key));
      break;
    case "reserveVersions":
      reserve.run(change.below);
      break;
    case "ring":
      ring.run(change.mark.epoch, change.mark.isSettled ? 1 : 0);
      break;
    case "outcome": {
      const { clientId, sequence, change: what, value } = change.outcome;
      const slot = outcomeNumber % RETRY_OUTCOMES_MAX;
      statements.outcome.run(slot, outcomeNumber, clientId, sequence, what, value);
      break;
    }
    case "replica": {
      const { node, instance, below } = change.replica;
      if (instance === "") statements.noReplica.run(node);
      else statements.replica.run(node, instance, below);
      break;
    }
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    // The directory's lock keeps other processes out, so SQLite need not share memory with any.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The last reign, or null where the file is new. */
function readReign(database: DatabaseSync, directory: string): Reign | null {
  const schemaVersion = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (schemaVersion > SCHEMA_VERSION) {
    const hint = "use that release, or name another --state directory";
    throw new StateError("newer", `${directory} was written by a later release: ${hint}`);
  }
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
  if (schemaVersion === 0 && tables?.["count"] === 0) return null;
  // Proof of the cast: the columns are NOT NULL in a STRICT table of this schema version.
  const reign = database.prepare("SELECT * FROM reign").get() as unknown as Reign | undefined;
  return reign ?? null;
}

function readRing(database: DatabaseSync | null): { readonly ring?: RingMark } {
  const row = database?.prepare("SELECT epoch, is_settled FROM ring").get();
  if (row === undefined) return {};
  return { ring: { epoch: Number(row["epoch"]), isSettled: row["is_settled"] === 1 } };
}

function readOutcomes(database: DatabaseSync | null): {
  readonly outcomes: readonly StoredOutcome[];
  readonly next: number;
} {
  const outcomes: StoredOutcome[] = [];
  let next = 0;
  for (const row of database?.prepare("SELECT * FROM outcomes ORDER BY number").iterate() ?? []) {
    // Proof of the cast: only `apply` writes this column.
    const change = row["change"] as StoredOutcome["change"];
    const [sequence, value] = [Number(row["sequence"]), Number(row["value"])];
    outcomes.push({ clientId: String(row["client"]), sequence, change, value });
    next = Number(row["number"]) + 1;
  }
  return { outcomes, next };
}

function readReplicas(database: DatabaseSync | null): readonly StoredReplica[] {
  const rows = database?.prepare("SELECT * FROM replicas").all() ?? [];
  return rows.map(({ node, instance, below }) => ({
    node: Number(node),
    instance: String(instance),
    below: Number(below),
  }));
}

function readObjects(database: DatabaseSync): StoredObject[] | null {
  const objects: StoredObject[] = [];
  for (const row of database.prepare("SELECT * FROM objects").iterate()) {
    // Proof of the casts: the table is STRICT and its columns NOT NULL.
    const places = decodePlaces(row["places"] as Uint8Array);
    const metadata = readMetadata(row["metadata"] as string);
    if (places === null || metadata === null) return null;
    objects.push({
      key: text.decode(row["key"] as Uint8Array),
      version: Number(row["version"]),
      bytes: Number(row["bytes"]),
      dataChunks: Number(row["data_chunks"]),
      parityChunks: Number(row["parity_chunks"]),
      stripeCount: Number(row["stripe_count"]),
      stripeBytes: Number(row["stripe_bytes"]),
      lastStripeBytes: Number(row["last_stripe_bytes"]),
      createdAtMs: Number(row["created_at_ms"]),
      expiresAtMs: Number(row["expires_at_ms"]),
      metadata,
      places,
    });
  }
  return objects;
}

function readMetadata(json: string): StoredObject["metadata"] | null {
  try {
    // Proof of the cast: only `apply` writes this column.
    return JSON.parse(json) as StoredObject["metadata"];
  } catch {
    return null;
  }
}

function otherThan(generation: number): number {
  const drawn = randomInt(1, U32_MAX);
  return drawn === generation ? drawn + 1 : drawn;
}
