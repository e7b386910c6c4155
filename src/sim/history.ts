// What clients of a simulated world did and saw, and the judge of it: a lossy linearizable register per key. A miss is
// always legal; a hit must be of a write that began before the read ended and was not superseded before it began.
// Times are of the virtual clock, so that "before" has one meaning.

/** A write or removal. */
export interface Mutation {
  readonly kind: "put" | "remove";
  /** Unique over the whole run. */
  readonly write: number;
  readonly key: string;
  readonly bytes: number;
  readonly begunAt: number;
  /** 0: never expires. */
  readonly ttlMs: number;
  /** When it was acknowledged; infinite while, or because, nobody can say whether it took effect. */
  endedAt: number;
  /** The time of day when it was acknowledged. */
  wallEndedAt: number;
}

/** A read that hit. */
export interface Hit {
  readonly key: string;
  readonly write: number;
  readonly version: string;
  readonly begunAt: number;
  readonly endedAt: number;
  /** The time of day when it began. */
  readonly wallBegunAt: number;
}

/** All operations of one run. */
export class History {
  readonly mutations: Mutation[] = [];
  readonly hits: Hit[] = [];
  misses = 0;

  /** A mutation begins. */
  begin(kind: "put" | "remove", key: string, bytes: number, ttlMs: number, now: number): Mutation {
    const mutation: Mutation = {
      kind,
      key,
      bytes,
      ttlMs,
      write: this.mutations.length + 1,
      begunAt: now,
      endedAt: Number.POSITIVE_INFINITY,
      wallEndedAt: Number.POSITIVE_INFINITY,
    };
    this.mutations.push(mutation);
    return mutation;
  }

  /** The mutation of this number; null when nothing ever wrote it. */
  find(write: number): Mutation | null {
    return this.mutations[write - 1] ?? null;
  }

  /** Every way in which what was seen cannot be explained. */
  judge(): string[] {
    const faults: string[] = [];
    const byKey = groupBy(this.mutations, (mutation) => mutation.key);
    const hitsByKey = groupBy(this.hits, (hit) => hit.key);
    for (const [key, hits] of hitsByKey) faults.push(...judgeKey(byKey.get(key) ?? [], hits));
    const writeOf = new Map<string, number>();
    for (const { version, write, key } of this.hits) {
      const known = writeOf.get(version) ?? write;
      writeOf.set(version, known);
      if (known !== write)
        faults.push(`version ${version} of ${key} is both write ${known} and write ${write}`);
    }
    return faults;
  }
}

function judgeKey(mutations: readonly Mutation[], hits: readonly Hit[]): string[] {
  const faults: string[] = [];
  // A mutation has certainly taken effect once it was acknowledged, or once somebody has read it.
  const effectiveAt = new Map<number, number>();
  const byWrite = new Map(mutations.map((mutation) => [mutation.write, mutation]));
  for (const { write, endedAt } of mutations) effectiveAt.set(write, endedAt);
  for (const { write, endedAt } of hits) {
    effectiveAt.set(write, Math.min(effectiveAt.get(write) ?? Number.POSITIVE_INFINITY, endedAt));
  }
  for (const hit of hits) {
    const written = byWrite.get(hit.write);
    const what = `a read of ${hit.key} from ${hit.begunAt.toFixed(2)} to ${hit.endedAt.toFixed(2)} saw write ${hit.write}`;
    if (written === undefined || written.kind !== "put") {
      faults.push(`${what}, which nobody wrote there`);
      continue;
    }
    if (written.begunAt > hit.endedAt) faults.push(`${what}, which had not begun`);
    if (written.ttlMs > 0 && hit.wallBegunAt > written.wallEndedAt + written.ttlMs) {
      faults.push(`${what}, which had expired`);
    }
    const tookEffectAt = effectiveAt.get(hit.write) ?? Number.POSITIVE_INFINITY;
    const later = mutations.find(
      ({ write, begunAt }) =>
        begunAt > tookEffectAt &&
        (effectiveAt.get(write) ?? Number.POSITIVE_INFINITY) < hit.begunAt,
    );
    if (later !== undefined) {
      const verb = later.kind === "put" ? "overwritten" : "removed";
      faults.push(
        `${what}, which was ${verb} by ${later.write} (${later.begunAt.toFixed(2)} to ${later.endedAt.toFixed(2)})`,
      );
    }
  }
  return faults;
}

function groupBy<Item>(
  items: readonly Item[],
  nameOf: (item: Item) => string,
): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group === undefined) groups.set(nameOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
