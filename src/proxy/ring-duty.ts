// What the ring asks of a proxy: to serve only the keys it owns by the newest document, to forget what it no longer
// owns before it serves a new number, and to take no changes of keys it has gained before the others have let go of
// them. It reads documents and asks the others their number; it never sends a document to another proxy.

import {
  isSameMembership,
  type Member,
  type Membership,
  type RingNews,
} from "../core/membership.ts";
import type { Clock, LoadedTable, RingMark, TableStore, Timer } from "../core/ports.ts";
import { buildRing, type Ring } from "../core/ring.ts";
import type { ProxyStatus } from "../core/status.ts";

/** How often the document is looked at. */
export const RING_CHECK_MS = 500;
/** A request that comes when the document was looked at longer ago than this makes it be looked at first: a process that was frozen must not serve by what it knew before. */
const RING_FRESH_MS = 1_000;
/** How often others that have not come to our number are asked again. */
const ASK_AGAIN_MS = 100;
/** Who cannot be reached for so long is gone, or has looked at the document meanwhile: five times RING_FRESH_MS. */
const GONE_MS = 5_000;
/** Stands among the addresses for those that are not known. */
const UNKNOWN = "";

/** The world around the duty. */
export interface RingPorts {
  /** The name of this proxy's pool. */
  readonly id: string;
  readonly clock: Clock;
  /** Synchronous and cheap: called at every check. */
  read(): RingNews;
  /** Asks the proxy at an address for the number it works by; null: it cannot be reached. */
  askEpoch(address: string, epoch: number, answer: (epoch: number | null) => void): void;
}

/** The proxy as the duty needs it. */
export interface RingSubject {
  /** What was recorded last; null: never a ring. */
  readonly mark: RingMark | null;
  /** Forgets every key but these, durably and together with the mark. */
  keepOnly(isKept: (key: string) => boolean, mark: RingMark): void;
  record(mark: RingMark): void;
  /** There is a new document for those clients that work by an older one. */
  announce(membership: Membership): void;
}

/** What the status of a proxy says of its ring. */
export function ringStatus(duty: RingDuty | undefined): ProxyStatus["ring"] {
  if (duty === undefined) return null;
  const { epoch, share, isSettled, fault } = duty;
  return { epoch, share, isSettled, fault };
}

/** Joins a duty, or none, to a table that was loaded. Throws as `attach` does. */
export function attachRing(
  duty: RingDuty | undefined,
  loaded: LoadedTable,
  store: TableStore,
  table: { keepOnly(isKept: (key: string) => boolean, mark: RingMark): void },
  announce: (membership: Membership) => void,
): void {
  const mark = loaded.ring ?? null;
  const record = (next: RingMark): void => store.commit([{ kind: "ring", mark: next }]);
  // Alone it takes all keys; a ring it comes back to must not trust what it held.
  if (duty === undefined && mark !== null && mark.epoch > 0) record({ epoch: 0, isSettled: false });
  const keepOnly = table.keepOnly.bind(table);
  duty?.attach({ mark, record, keepOnly, announce });
}

/** See the header. */
export class RingDuty {
  readonly #ports: RingPorts;
  #subject: RingSubject | null = null;
  #ring: Ring | null = null;
  /** The ring before, where nothing lay between; keys owned by both may be changed at once. */
  #before: Ring | null = null;
  /** Members that have not been seen at our number, by address, since when they cannot be reached. */
  #awaited = new Map<string, { unreachableSince: number | null }>();
  #checkedAt = 0;
  #fault: string | null = null;
  #checkTimer: Timer | null = null;
  #askTimer: Timer | null = null;

  constructor(ports: RingPorts) {
    this.#ports = ports;
  }

  /** Throws RangeError when there is no document to begin with, or an older one than was served by before. */
  attach(subject: RingSubject): void {
    this.#subject = subject;
    this.refresh();
    if (this.#ring === null) throw new RangeError(this.#fault ?? "the ring has no document");
    this.#armCheck();
  }

  get membership(): Membership | null {
    return this.#ring?.membership ?? null;
  }

  get epoch(): number {
    return this.membership?.epoch ?? 0;
  }

  /** True when changes of gained keys are taken, too. */
  get isSettled(): boolean {
    return this.#awaited.size === 0;
  }

  /** Why the last document was not used; null when it was. */
  get fault(): string | null {
    return this.#fault;
  }

  /** This proxy's part of the keys, from 0 to 1. */
  get share(): number {
    return this.#ring?.shareOf(this.#ports.id) ?? 0;
  }

  /** Whether a request may be served for a client that works by document `clientEpoch`; null: of no single key. */
  mayServe(key: string | null, isChange: boolean, clientEpoch: number): boolean {
    if (clientEpoch > this.epoch) this.refresh();
    // Who lists or clears has to ask everybody there is: by an older document it would leave somebody out.
    if (key === null && clientEpoch < this.epoch) return false;
    return clientEpoch <= this.epoch && (isChange ? this.mayChange(key) : this.#mayRead(key));
  }

  /** Whether a change of the key may take effect now; null: of any key. */
  mayChange(key: string | null): boolean {
    if (!this.#mayRead(key)) return false;
    if (this.isSettled) return true;
    return key !== null && this.#before?.ownerOf(key).id === this.#ports.id;
  }

  /** Looks at the document now. */
  refresh(): void {
    this.#checkedAt = this.#ports.clock.now();
    const news = this.#ports.read();
    if (news.kind === "unchanged") return;
    this.#fault = news.kind === "fault" ? news.reason : this.#consider(news.membership);
  }

  stop(): void {
    this.#checkTimer?.cancel();
    this.#askTimer?.cancel();
  }

  #mayRead(key: string | null): boolean {
    if (this.#ports.clock.now() - this.#checkedAt > RING_FRESH_MS) this.refresh();
    return key === null || this.#ring?.ownerOf(key).id === this.#ports.id;
  }

  #consider(membership: Membership): string | null {
    const current = this.membership;
    const known = current?.epoch ?? this.#subject?.mark?.epoch ?? 0;
    if (membership.epoch < known)
      return `the ring's document has number ${membership.epoch}, and ${known} was served by already`;
    if (current !== null && membership.epoch === known) {
      if (isSameMembership(current, membership)) return null;
      return `the ring's document was changed, and its number ${known} was not; count it up by one`;
    }
    this.#adopt(membership);
    return null;
  }

  #adopt(membership: Membership): void {
    const { id } = this.#ports;
    const before = this.#ring;
    const mark = before === null ? (this.#subject?.mark ?? null) : this.#markNow(before.membership);
    const ring = buildRing(membership);
    const { epoch } = membership;
    // A number that was missed may have given a key to another, whose newer version is not known here.
    const isUnbroken =
      mark === null ? epoch === 1 : mark.epoch === epoch || mark.epoch + 1 === epoch;
    const isSettled = mark?.epoch === epoch && mark.isSettled;
    const isNext = before !== null && before.membership.epoch + 1 === epoch;
    // What was gained by the document before, and not settled, is still not ours alone.
    this.#before = isNext && this.isSettled ? before : null;
    this.#ring = ring;
    // Who had not let go by the last document must let go by this one, a member of it or not.
    const awaited = new Map(this.#awaited);
    if (isSettled) awaited.clear();
    else {
      for (const { address } of this.#others(before?.membership.members ?? [], membership.members))
        if (!awaited.has(address)) awaited.set(address, { unreachableSince: null });
      // Members of documents that are not known here cannot be asked: they are given their time.
      if (!isNext && epoch > 1) awaited.set(UNKNOWN, { unreachableSince: this.#ports.clock.now() });
    }
    this.#awaited = awaited;
    const isKept = (key: string): boolean => isUnbroken && ring.ownerOf(key).id === id;
    this.#subject?.keepOnly(isKept, this.#markNow(membership));
    this.#subject?.announce(membership);
    this.#ask();
  }

  #markNow({ epoch }: Membership): RingMark {
    return { epoch, isSettled: this.isSettled };
  }

  #others(...lists: readonly (readonly Member[])[]): readonly Member[] {
    return lists.flat().filter(({ id }) => id !== this.#ports.id);
  }

  #ask(): void {
    this.#askTimer?.cancel();
    this.#askTimer = null;
    if (this.isSettled) return;
    const { epoch } = this;
    for (const [address, awaited] of this.#awaited) {
      if (address === UNKNOWN) {
        this.#onEpoch(address, awaited, null);
        continue;
      }
      this.#ports.askEpoch(address, epoch, (theirs) => {
        if (epoch === this.epoch && this.#awaited.get(address) === awaited)
          this.#onEpoch(address, awaited, theirs);
      });
    }
    this.#askTimer = this.#ports.clock.setTimer(ASK_AGAIN_MS, () => this.#ask());
  }

  #onEpoch(
    address: string,
    awaited: { unreachableSince: number | null },
    theirs: number | null,
  ): void {
    const now = this.#ports.clock.now();
    if (theirs !== null) awaited.unreachableSince = null;
    else awaited.unreachableSince ??= now;
    if (theirs !== null && theirs > this.epoch) return this.refresh();
    const isGone = awaited.unreachableSince !== null && now - awaited.unreachableSince >= GONE_MS;
    if (theirs !== this.epoch && !isGone) return;
    this.#awaited.delete(address);
    const { membership } = this;
    if (this.isSettled && membership !== null) this.#subject?.record(this.#markNow(membership));
  }

  #armCheck(): void {
    this.#checkTimer = this.#ports.clock.setTimer(RING_CHECK_MS, () => {
      this.refresh();
      this.#armCheck();
    });
  }
}
