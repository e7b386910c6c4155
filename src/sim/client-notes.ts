// What a simulated client writes down of its operations: what it was told, of which write or version, and between which
// times. It judges only that what a reply says of its write fits together.

import type { StoredRow } from "../client/replies.ts";
import type { Clock, WallClock } from "../core/ports.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { History, Moment, Sighting } from "./history.ts";

/** The metadata name under which a write's number stands, for objects too short to carry it. */
export const WRITE_NAME = "write";

/** What the notes need of the world. */
export interface NotedWorld {
  readonly wallClock: WallClock;
  readonly history: History;
  /** Of the data behind an address now; null: nobody can say. A PUT's answer does not tell it. */
  generationAt(address: string): number | null;
  violate(what: string): void;
}

/** See the header. */
export class ClientNotes {
  readonly #clock: Clock;
  readonly #world: NotedWorld;

  constructor(clock: Clock, world: NotedWorld) {
    this.#clock = clock;
    this.#world = world;
  }

  now(): number {
    return this.#clock.now();
  }

  moment(): Moment {
    return { at: this.now(), wallAt: this.#world.wallClock.now() };
  }

  /** Names versions that are told from now on; null when it is not known whose they are, or the data began anew meanwhile. */
  versions(address: string | null): (version: number) => string | null {
    const generationNow = (): number | null =>
      address === null ? null : this.#world.generationAt(address);
    const generation = generationNow();
    return (version) =>
      generation !== null && generationNow() === generation ? `${generation}:${version}` : null;
  }

  miss(how: string, key: string, reason: string, begun: Moment): void {
    // Out of reach is not absent.
    if (reason === "unreachable") return;
    this.#world.history.absences.push({ how, key, begunAt: begun.at, endedAt: this.now() });
  }

  seen(
    how: Sighting["how"],
    key: string,
    seen: Partial<Pick<Sighting, "write" | "version" | "bytes" | "expiresAtMs">>,
    begun: Moment,
  ): void {
    const { write = null, version = null, bytes = null, expiresAtMs = null } = seen;
    this.#world.history.sightings.push({
      how,
      key,
      write,
      version,
      bytes,
      expiresAtMs,
      begunAt: begun.at,
      endedAt: this.now(),
      wallBegunAt: begun.wallAt,
    });
  }

  row(row: StoredRow, version: string | null, begun: Moment): void {
    const { key, bytes, expiresAt } = row;
    const expiresAtMs = expiresAt === null ? 0 : expiresAt.getTime();
    this.seen("list", key, { version, bytes, expiresAtMs }, begun);
  }

  /** Which write a reply is of, by its metadata; the length must be that write's. */
  found(key: string, found: MessageOf<"found">, begun: Moment): number {
    const [write = 0, bytes = -1] = (
      found.metadata.find(({ name }) => name === WRITE_NAME)?.value ?? ""
    )
      .split(" ")
      .map(Number);
    if (bytes !== found.bytes)
      this.#world.violate(
        `wrong length: ${key} has ${found.bytes} bytes and says it was written with ${bytes}`,
      );
    const version = `${found.generation}:${found.version}`;
    const { expiresAtMs } = found;
    this.seen("read", key, { write, version, bytes, expiresAtMs }, begun);
    return write;
  }
}
