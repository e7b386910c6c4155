// The judge of histories: a lossy linearizable register per key. A miss is always legal; whoever sees a write must see
// one that began before the look ended and was not superseded before it began. Expired objects are not seen, one
// version is one write, and without trouble what was acknowledged is there.

import type { Absence, History, Mutation, Sighting } from "./history.ts";
import { type Misplaced, misplacedIn, type Span } from "./register-order.ts";

/** A sighting whose write is known. */
interface Seen extends Sighting {
  readonly write: number;
}

/** A mutation that certainly took effect: it was acknowledged, or somebody has seen it. */
interface Effect extends Span {
  readonly mutation: Mutation;
  /** Who saw it last, by the beginning of the look. */
  readonly lastSeen: Seen | null;
}

/** Every way in which what was seen cannot be explained. `isCalm`: nothing was lost, so that absences count, too. */
export function judgeHistory(history: History, isCalm: boolean): string[] {
  const faults: string[] = [];
  const { mutations, sightings } = history;
  const writeOf = writesOfVersions(mutations, sightings, faults);
  const seen: Seen[] = [];
  for (const sighting of sightings) {
    // A version that nobody read and nobody was acknowledged says too little.
    const write = sighting.write ?? writeOf.get(sighting.version ?? "");
    if (write !== undefined) seen.push({ ...sighting, write });
  }
  const seenByKey = groupBy(seen, ({ key }) => key);
  const byKey = groupBy(mutations, ({ key }) => key);
  for (const [key, sights] of seenByKey) {
    const ofKey = byKey.get(key) ?? [];
    for (const sight of sights) {
      const written = ofKey.find(({ write }) => write === sight.write);
      faults.push(...judgeWrite(sight, written));
    }
    for (const misplaced of misplacedIn(effectsOf(ofKey, sights))) faults.push(tell(misplaced));
  }
  if (isCalm)
    for (const absence of absencesOf(history)) faults.push(...judgeAbsence(absence, byKey));
  return faults;
}

/** Which write each version is, and a fault for each that is two. */
function writesOfVersions(
  mutations: readonly Mutation[],
  sightings: readonly Sighting[],
  faults: string[],
): Map<string, number> {
  const writeOf = new Map<string, number>();
  const note = (version: string | null, write: number | null): void => {
    if (version === null || write === null) return;
    const known = writeOf.get(version) ?? write;
    writeOf.set(version, known);
    if (known !== write)
      faults.push(`version ${version} is both write ${known} and write ${write}`);
  };
  for (const { version, write } of mutations) note(version, write);
  for (const { version, write } of sightings) note(version, write);
  return writeOf;
}

function effectsOf(mutations: readonly Mutation[], seen: readonly Seen[]): Effect[] {
  const seenByWrite = groupBy(seen, ({ write }) => write);
  const effects: Effect[] = [];
  for (const mutation of mutations) {
    const sights = seenByWrite.get(mutation.write) ?? [];
    const endedAt = mutation.isVoid ? Number.POSITIVE_INFINITY : mutation.endedAt;
    const firstEndAt = Math.min(endedAt, ...sights.map((sight) => sight.endedAt));
    // Whatever never ended and was never seen need not have happened.
    if (!Number.isFinite(firstEndAt)) continue;
    const lastSeen = sights.reduce<Seen | null>(
      (last, sight) => (last === null || sight.begunAt > last.begunAt ? sight : last),
      null,
    );
    const lastBeginAt = Math.max(mutation.begunAt, lastSeen?.begunAt ?? 0);
    effects.push({ mutation, lastSeen, firstEndAt, lastBeginAt });
  }
  return effects;
}

/** What was seen had been superseded before. */
function tell({ held, intruder }: Misplaced<Effect>): string {
  const { mutation } = intruder;
  const what = held.lastSeen === null ? `write ${held.mutation.write}` : told(held.lastSeen);
  if (intruder.firstEndAt < intruder.lastBeginAt)
    return `${what}, and write ${mutation.write} had stood in its place`;
  const verb = mutation.kind === "put" ? "overwritten" : "removed";
  const when = `${mutation.begunAt.toFixed(2)} to ${mutation.endedAt.toFixed(2)}`;
  return `${what}, which was ${verb} by ${mutation.write} (${when})`;
}

/** What was seen is a write of this key, begun by then, of that length, and not expired. */
function judgeWrite(sight: Seen, written: Mutation | undefined): string[] {
  const what = told(sight);
  if (written === undefined || written.kind !== "put") return [`${what}, which nobody wrote there`];
  const faults: string[] = [];
  const { ttlMs } = written;
  const { bytes, expiresAtMs } = sight;
  if (written.isVoid) faults.push(`${what}, which was refused because there was another`);
  if (written.begunAt > sight.endedAt) faults.push(`${what}, which had not begun`);
  if (bytes !== null && bytes !== written.bytes)
    faults.push(`${what} with ${bytes} bytes, and it has ${written.bytes}`);
  if (ttlMs > 0 && sight.wallBegunAt > written.wallEndedAt + ttlMs)
    faults.push(`${what}, which had expired`);
  if (expiresAtMs === null) return faults;
  if (expiresAtMs !== 0 && sight.wallBegunAt >= expiresAtMs)
    faults.push(`${what}, which said itself that it had expired`);
  const isRight =
    ttlMs === 0
      ? expiresAtMs === 0
      : expiresAtMs >= written.wallBegunAt + ttlMs && expiresAtMs <= written.wallEndedAt + ttlMs;
  if (!isRight) faults.push(`${what}, which says that it expires at another time than it must`);
  return faults;
}

/** Absences, and the PUTs that took effect because nothing was there. */
function absencesOf({ absences, mutations }: History): Absence[] {
  const winners = mutations.filter(
    ({ kind, ifAbsent, endedAt, isVoid }) =>
      kind === "put" && ifAbsent && Number.isFinite(endedAt) && !isVoid,
  );
  return [
    ...absences,
    ...winners.map(({ key, begunAt, endedAt, write }) => {
      return { how: `write ${write}, only wanted if absent,`, key, begunAt, endedAt };
    }),
  ];
}

/** Nothing is lost here: a key that was written, and neither removed nor made to expire since, is there. */
function judgeAbsence(absence: Absence, byKey: ReadonlyMap<string, readonly Mutation[]>): string[] {
  const { key, begunAt, endedAt, how } = absence;
  const mutations = byKey.get(key) ?? [];
  const spoilers = mutations.filter(
    (mutation) =>
      (mutation.kind === "remove" || (mutation.ttlMs > 0 && !mutation.isVoid)) &&
      mutation.begunAt < endedAt,
  );
  const there = mutations.find(
    (written) =>
      written.kind === "put" &&
      written.ttlMs === 0 &&
      !written.isVoid &&
      written.endedAt < begunAt &&
      spoilers.every((spoiler) => spoiler.endedAt < written.begunAt),
  );
  if (there === undefined) return [];
  const when = `from ${begunAt.toFixed(2)} to ${endedAt.toFixed(2)}`;
  return [`${how} ${when} did not find ${key}, and write ${there.write} was there`];
}

function told({ how, key, write, begunAt, endedAt }: Seen): string {
  return `a ${how} of ${key} from ${begunAt.toFixed(2)} to ${endedAt.toFixed(2)} saw write ${write}`;
}

function groupBy<Item, Name>(
  items: readonly Item[],
  nameOf: (item: Item) => Name,
): Map<Name, Item[]> {
  const groups = new Map<Name, Item[]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group === undefined) groups.set(nameOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
