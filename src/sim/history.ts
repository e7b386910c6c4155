// What clients of a simulated world did and saw. It writes down and judges nothing: register.ts does that.
// Times are of the virtual clock, so that "before" has one meaning; times of day are of the world's one wall clock.

/** A write or removal. */
export interface Mutation {
  readonly kind: "put" | "remove";
  /** Unique over the whole run. */
  readonly write: number;
  readonly key: string;
  readonly bytes: number;
  readonly begunAt: number;
  readonly wallBegunAt: number;
  /** 0: never expires. */
  readonly ttlMs: number;
  readonly ifAbsent: boolean;
  /** When it was acknowledged; infinite while, or because, nobody can say whether it took effect. */
  endedAt: number;
  wallEndedAt: number;
  /** As it was acknowledged with; null when nobody knows. */
  version: string | null;
  /** It was answered that there is an object already: it changed nothing. */
  isVoid: boolean;
}

/** What a client asks for when a mutation begins. */
export type Wish = Pick<Mutation, "kind" | "key" | "bytes" | "ttlMs" | "ifAbsent">;

/** A time of the world: of the virtual clock, and of the day. */
export interface Moment {
  readonly at: number;
  readonly wallAt: number;
}

/** Somebody was told that a version of a key is there: by a GET, a STAT, a listing, or a PUT that found it in its place. */
export interface Sighting {
  readonly how: "read" | "list" | "exists";
  readonly key: string;
  /** The write that was seen; null when only its version was told. */
  readonly write: number | null;
  /** Generation and number; null when the generation changed meanwhile. */
  readonly version: string | null;
  /** Null: not told. */
  readonly bytes: number | null;
  readonly expiresAtMs: number | null;
  readonly begunAt: number;
  readonly endedAt: number;
  readonly wallBegunAt: number;
}

/** Somebody was told that a key is not there. */
export interface Absence {
  readonly how: string;
  readonly key: string;
  readonly begunAt: number;
  readonly endedAt: number;
}

/** All operations of one run. */
export class History {
  readonly mutations: Mutation[] = [];
  readonly sightings: Sighting[] = [];
  readonly absences: Absence[] = [];
  /** GETs that hit, GETs that missed, listings that came whole. */
  hits = 0;
  misses = 0;
  listings = 0;

  /** A mutation begins. */
  begin(wish: Wish, now: Moment): Mutation {
    const mutation: Mutation = {
      ...wish,
      write: this.mutations.length + 1,
      begunAt: now.at,
      wallBegunAt: now.wallAt,
      endedAt: Number.POSITIVE_INFINITY,
      wallEndedAt: Number.POSITIVE_INFINITY,
      version: null,
      isVoid: false,
    };
    this.mutations.push(mutation);
    return mutation;
  }

  /** It was acknowledged. */
  end(mutation: Mutation, version: string | null, now: Moment): void {
    mutation.endedAt = now.at;
    mutation.wallEndedAt = now.wallAt;
    mutation.version = version;
  }

  /** A listing of all keys with a prefix has come whole: who is not among `keys` was not there. */
  noteListing(
    keys: ReadonlySet<string>,
    begunAt: number,
    endedAt: number,
    prefix: string = "",
  ): void {
    this.listings++;
    for (const key of new Set(this.mutations.map((mutation) => mutation.key)))
      if (key.startsWith(prefix) && !keys.has(key))
        this.absences.push({ how: "a listing", key, begunAt, endedAt });
  }
}
