// One backup of one node: the primary is held awake, the node is invoked once more, and what the instance that answers
// lacks is copied to it through the proxy. The primary serves on meanwhile. All decisions about the course of a round are
// the table's; what is copied, the account of the node says. A round that ends early harms nothing: versions never change.

import type { InstanceId } from "../core/ids.ts";
import type { Clock, Purpose, Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import {
  type BackupEffect,
  type BackupEvent,
  type BackupState,
  stepBackup,
} from "./backup-table.ts";
import { ChunkCheck } from "./chunk-check.ts";
import { type CopyFailure, type CopyOwner, CopyTransfer } from "./copy-transfer.ts";
import type { ProxyCounters } from "./counters.ts";
import type { Exchange } from "./exchange.ts";
import type { SideEnd, SideGuest } from "./link-side.ts";
import type { NodeLink } from "./node-link.ts";
import { type ChunkRecord, chunkName, type NodeSpace } from "./node-space.ts";
import type { ObjectTable } from "./object-table.ts";
import type { PartPool } from "./part-pool.ts";
import { DROPS_PER_MESSAGE } from "./pool.ts";
import { StoreAudit } from "./store-audit.ts";

/** What is worth a copy: everything, or what was read since it was stored, up to half of a function's room. */
export type BackupSelection = "all" | "hit";

/** What a round needs around it. */
export interface RoundContext {
  readonly clock: Clock;
  readonly table: ObjectTable;
  readonly parts: PartPool;
  readonly counters: ProxyCounters;
  readonly selection: BackupSelection;
  onOver(round: BackupRound, isComplete: boolean): void;
}

/** Longer than 256 MiB take at 30 MB/s, and half of what an invocation may last. */
export const ROUND_MS_MAX = 20_000;
/** How long the primary waits for the replica to return. */
const DISMISS_MS_MAX = 2_000;
/** What one round may move; the next one goes on. */
export const ROUND_BYTES_MAX = 256 * 1_024 * 1_024;
/** Chunks on their way at once: with 1 MiB of credit each, 8 MiB of parts in the proxy. */
const COPIES_AT_ONCE = 8;
/** How often a round looks for what was stored meanwhile; a busy node would else never be done. */
const SCANS_MAX = 3;
/** Under "hit", copies may take one part in so many of a function's room. */
const HIT_SHARE_DIVISOR = 2;

/** A round under way. */
export class BackupRound implements Exchange, SideGuest, CopyOwner {
  readonly purpose: Purpose;
  readonly link: NodeLink;
  readonly parts: PartPool;
  readonly #space: NodeSpace;
  readonly #context: RoundContext;
  readonly #copies = new Set<CopyTransfer>();
  readonly #failed = new Set<ChunkRecord>();
  #state: BackupState = { kind: "calling" };
  #primary: InstanceId | null = null;
  #channel: number | null = null;
  #timer: Timer | null = null;
  #audit: StoreAudit | null = null;
  #queue: ChunkRecord[] = [];
  #scans = 0;
  #movedBytes = 0;
  #isFull = false;
  /** A copy failed for a reason that passes. */
  #hasGap = false;
  #changes = 0;

  /** `isChanged` false: it only keeps both instances warm, and is billed as that unless something has to be copied. */
  constructor(link: NodeLink, space: NodeSpace, isChanged: boolean, context: RoundContext) {
    this.purpose = isChanged ? "backup" : "warm-up";
    this.link = link;
    this.parts = context.parts;
    this.#space = space;
    this.#context = context;
  }

  /** The `changes` of the node's account that the replica has followed, once the round is complete; -1 when something is to be tried again. */
  get changes(): number {
    return this.#hasGap ? -1 : this.#changes;
  }

  begin(): void {
    this.#arm(ROUND_MS_MAX);
    this.link.open(this);
  }

  /** Ends before its time, in order. */
  end(): void {
    this.#step({ kind: "stopped" });
  }

  /** The proxy closes. */
  stop(): void {
    this.#timer?.cancel();
    this.#cancelCopies();
    this.#state = { kind: "over", isComplete: false };
  }

  start(channel: number): void {
    this.#channel = channel;
    this.#primary = this.link.awakeInstance;
    const isPrimary = this.#primary !== null && this.#primary === this.link.primary;
    this.#step({ kind: isPrimary && !this.link.hasSide ? "started" : "stopped" });
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    if (message.kind === "pong") this.#step({ kind: "held" });
  }

  onEnd(): void {
    this.#channel = null;
    this.#step({ kind: "primaryGone" });
  }

  onSideHello(hello: MessageOf<"functionHello">, instance: InstanceId): void {
    const space = this.#space;
    // While chunks of one that is gone wait for the replica's word, nobody takes its place: it is let go as the primary would be.
    const isUnwanted = space.awaitsReplica && instance !== space.replica;
    const isPrimary = instance === this.#primary || isUnwanted;
    if (!isPrimary && this.#state.kind === "inviting") space.setReplica(instance);
    const { low, high } = space.digest(instance);
    const agrees = low === hello.storeDigestLow && high === hello.storeDigestHigh;
    if (agrees) space.noteProven(instance);
    this.#step({ kind: "greeted", isPrimary, agrees });
  }

  onSideMessage(channel: number, message: Message): void {
    if (message.kind === "inventory") return this.#onInventory(message);
    for (const copy of this.#copies)
      if (copy.sideChannel === channel) return copy.onSideMessage(message);
  }

  onSideSevered(): void {
    this.#audit = null; // Of what it listed the rest will not come.
    this.#scans = 0; // What was on its way is to be found again; the round's time bounds how often.
    this.#step({ kind: "replicaSevered" });
  }

  onSideEnd(reason: SideEnd): void {
    this.#step({ kind: reason === "leaving" ? "replicaLeaving" : "replicaGone" });
  }

  onCopied(copy: CopyTransfer): void {
    const { record } = copy;
    const { counters } = this.#context;
    this.#copies.delete(copy);
    this.#space.confirmCopy(record);
    // Gone from the table while it was on its way: the replica must not keep what nobody will tell it to drop.
    if (!record.hasCopy) this.link.sendSide(0, { kind: "chunkDrop", chunks: [record.id] });
    counters.backupChunks++;
    counters.backupBytes += record.bytes;
    this.#copyMore();
  }

  onCopyFailed(copy: CopyTransfer, reason: CopyFailure): void {
    const { record } = copy;
    this.#copies.delete(copy);
    this.#failed.add(record);
    if (reason === "full") this.#isFull = true;
    else this.#hasGap = true;
    if (reason === "absent") this.#markMissing(record);
    // The replica's word alone destroys nothing: the primary is asked to check.
    if (reason === "corrupt")
      this.link.open(
        new ChunkCheck(this.link, record.id, (outcome, instance) => {
          if (outcome === "gone" && instance === record.instance) this.#markMissing(record);
        }),
      );
    this.#copyMore();
  }

  #step(event: BackupEvent): void {
    const before = this.#state;
    const { state, effects } = stepBackup(before, event);
    this.#state = state;
    if (state.kind === "dismissing" && before.kind !== "dismissing") this.#arm(DISMISS_MS_MAX);
    if (state.kind === "over" && before.kind !== "over") {
      this.#timer?.cancel();
      // Not before: a failover takes the place of the replica away, which a round needs.
      this.#context.table.settleLosses(this.#space);
      // Also after one that ended early: its copies count all the same.
      this.#context.table.recordReplica(this.#space);
    }
    for (const effect of effects) this.#perform(effect);
    if (state.kind === "over" && before.kind !== "over")
      this.#context.onOver(this, state.isComplete);
  }

  #perform(effect: BackupEffect): void {
    switch (effect) {
      case "hold":
        return this.#hold();
      case "invite":
        return this.link.invite(this.purpose, this);
      case "receive":
        this.link.sendSide(0, { kind: "hold", forMs: ROUND_MS_MAX });
        return this.#sendDrops();
      case "compare":
        this.#audit = new StoreAudit(this.#space, this.#space.replica ?? this.#noReplica());
        this.link.sendSide("fresh", { kind: "inventoryGet" });
        return;
      case "copy":
        return this.#copyMore();
      case "cancelCopies":
        return this.#cancelCopies();
      case "dismiss":
        this.link.sendSide(0, { kind: "hold", forMs: 0 });
        return;
      case "release":
        return this.#release();
    }
  }

  /** The ping behind it comes back when the primary has heard that it shall stay. */
  #hold(): void {
    if (this.#channel === null) return;
    this.link.send(this.#channel, { kind: "hold", forMs: ROUND_MS_MAX + DISMISS_MS_MAX });
    this.link.send(this.#channel, { kind: "ping", nonce: this.#channel });
  }

  #release(): void {
    const channel = this.#channel;
    this.#channel = null;
    if (channel === null) return this.link.close(this, null);
    if (this.link.isAwake) this.link.send(channel, { kind: "hold", forMs: 0 });
    this.link.finish(channel);
  }

  #onInventory(page: MessageOf<"inventory">): void {
    const audit = this.#audit;
    if (audit === null || !audit.onPage(page)) return;
    this.#audit = null;
    this.#drop(audit.settle(this.#context.table));
    this.#step({ kind: "compared" });
  }

  #sendDrops(): void {
    const { replica } = this.#space;
    if (replica !== null) this.#drop(this.#space.takeOwnDrops(replica));
  }

  #drop(chunks: MessageOf<"chunkDrop">["chunks"]): void {
    for (let from = 0; from < chunks.length; from += DROPS_PER_MESSAGE)
      this.link.sendSide(0, {
        kind: "chunkDrop",
        chunks: chunks.slice(from, from + DROPS_PER_MESSAGE),
      });
  }

  /** Deletes before adds, as many copies at once as may be, and the end when nothing is left. */
  #copyMore(): void {
    if (this.#state.kind !== "copying") return;
    this.#sendDrops();
    while (this.#copies.size < COPIES_AT_ONCE && !this.#isFull) {
      if (this.#queue.length === 0 && (this.#copies.size > 0 || !this.#scan())) break;
      const record = this.#queue.pop();
      if (record === undefined || !this.#isWanted(record)) continue;
      if (this.#movedBytes + record.bytes > ROUND_BYTES_MAX) return this.#step({ kind: "stopped" });
      this.#movedBytes += record.bytes;
      const copy = new CopyTransfer(record, this.link, this);
      this.#copies.add(copy);
      this.link.open(copy);
      if (this.#state.kind !== "copying") return;
    }
    if (this.#copies.size === 0) this.#step({ kind: "copied" });
  }

  /** Looks for what is to be copied; false when there is nothing, or it has looked often enough. */
  #scan(): boolean {
    if (this.#primary === null || this.#scans >= SCANS_MAX) return false;
    this.#scans++;
    this.#changes = this.#space.changes;
    const found = [...this.#space.withoutCopy(this.#primary)].filter(
      (record) => !this.#failed.has(record),
    );
    // The last one is taken first: what was used last, and of what was never used the newest.
    found.sort(
      (a, b) => (a.object?.usedAt ?? 0) - (b.object?.usedAt ?? 0) || a.id.version - b.id.version,
    );
    this.#queue = this.#context.selection === "hit" ? this.#chooseHit(found) : found;
    return this.#queue.length > 0;
  }

  #chooseHit(found: readonly ChunkRecord[]): ChunkRecord[] {
    let room = this.#space.budgetBytes / HIT_SHARE_DIVISOR;
    for (const { bytes, hasCopy } of this.#space.chunks.values()) if (hasCopy) room -= bytes;
    const chosen: ChunkRecord[] = [];
    for (const record of [...found].reverse()) {
      if ((record.object?.usedAt ?? 0) === 0 || record.bytes > room) continue;
      room -= record.bytes;
      chosen.push(record);
    }
    return chosen.reverse();
  }

  #isWanted(record: ChunkRecord): boolean {
    const isHere = this.#space.chunks.get(chunkName(record.id)) === record;
    return isHere && !record.hasCopy && record.instance === this.#primary;
  }

  #markMissing(record: ChunkRecord): void {
    const { object, id } = record;
    if (object === null || !this.#isWanted(record)) return;
    this.#context.table.markMissing(object, id.stripe, id.index);
    this.#context.table.forgetIfLost(object, id.stripe);
  }

  #cancelCopies(): void {
    for (const copy of this.#copies) copy.cancel();
    this.#copies.clear();
    this.#queue = [];
  }

  #arm(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.clock.setTimer(ms, () => this.#step({ kind: "stopped" }));
  }

  #noReplica(): never {
    throw new RangeError("a replica that was greeted is known to the account");
  }
}
