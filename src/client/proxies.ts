// The proxies of one client: a session for each, the membership document that says which owns a key, and the way to a
// newer one. Without a document everything goes to one of the addresses it was given. It never asks a proxy for a key.

import { type Membership, parseMembership } from "../core/membership.ts";
import { buildRing, type Ring } from "../core/ring.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { Sessions, Target } from "./run.ts";
import { Session, type SessionOptions } from "./session.ts";

/** How sessions are made, and where the first document comes from. */
export interface ProxiesOptions
  extends Omit<SessionOptions, "address" | "epoch" | "onMembership" | "onGone"> {
  /** Where to begin: any of them may be asked for the document. At least one. */
  readonly addresses: readonly string[];
  /** Absent: learned from the first proxy that answers, if it has one. */
  readonly membership?: Membership;
}

/** See the header. */
export class Proxies implements Sessions {
  readonly #options: ProxiesOptions;
  readonly #sessions = new Map<string, Session>();
  #ring: Ring | null = null;
  #first = 0;
  #news = 0;
  #pastDials = 0;
  #isClosed = false;

  constructor(options: ProxiesOptions) {
    this.#options = options;
    if (options.membership !== undefined) this.#ring = buildRing(options.membership);
  }

  /** How often connections were opened. */
  get dials(): number {
    let dials = this.#pastDials;
    for (const session of this.#sessions.values()) dials += session.dials;
    return dials;
  }

  /** True when the proxy that was asked shares the keys with nobody. */
  get isAlone(): boolean {
    return this.#ring === null && [...this.#sessions.values()].some((session) => session.isAlone);
  }

  get membership(): Membership | null {
    return this.#ring?.membership ?? null;
  }

  /** Whom to ask for what concerns no single key: every proxy that may own something. Null: the one there is. */
  get everyone(): readonly { readonly id: string; readonly target: Target }[] {
    const members = this.membership?.members.filter(({ weight }) => weight > 0);
    return (
      members?.map(({ id, address }) => ({ id, target: { address } })) ?? [{ id: "", target: null }]
    );
  }

  to(target: Target): Session {
    if (target !== null && "address" in target) return this.#session(target.address);
    if (this.#ring === null) return this.#session(this.#firstAddress());
    if (target !== null) return this.#session(this.#ring.ownerOf(target.key).address);
    const open = [...this.#sessions.values()].find((session) => session.isOpen);
    return open ?? this.#session(this.#firstMember(this.#ring));
  }

  /** Tells every proxy where functions may dial this client. */
  sayListen(): void {
    for (const session of this.#sessions.values()) session.sayListen();
  }

  /** Ends all sessions; `closed` is called when every connection is gone. */
  close(closed: () => void): void {
    this.#isClosed = true;
    let left = this.#sessions.size;
    if (left === 0) return closed();
    for (const session of this.#sessions.values()) {
      session.close(() => {
        left -= 1;
        if (left === 0) closed();
      });
    }
  }

  #firstAddress(): string {
    const { addresses } = this.#options;
    return addresses[this.#first % addresses.length] ?? "";
  }

  #firstMember({ membership }: Ring): string {
    const members = membership.members.filter(({ weight }) => weight > 0);
    return members[this.#first % members.length]?.address ?? this.#firstAddress();
  }

  #session(address: string): Session {
    const known = this.#sessions.get(address);
    if (known !== undefined) return known;
    const session = new Session({
      ...this.#options,
      address,
      epoch: () => this.membership?.epoch ?? 0,
      onMembership: (message) => this.#onMembership(message, session),
      onGone: () => this.#onGone(address, session),
    });
    this.#sessions.set(address, session);
    if (this.#isClosed) session.close(() => {});
    return session;
  }

  #onMembership({ kind: _kind, ...document }: MessageOf<"membership">, session: Session): void {
    const parsed = parseMembership(document);
    if (parsed.kind === "bad") return session.fault(`protocol broken: ${parsed.faults.join("; ")}`);
    const { membership } = parsed;
    if (membership.epoch > (this.membership?.epoch ?? 0)) {
      this.#ring = buildRing(membership);
      for (const each of [...this.#sessions.values()]) {
        each.sayEpoch(membership.epoch);
        each.moveWaiting();
      }
      this.#forgetLeavers();
    } else session.sayEpoch(this.membership?.epoch ?? 0);
  }

  /** Sessions with proxies that are in no document any more end when they are not used. */
  #forgetLeavers(): void {
    const addresses = new Set([
      ...this.#options.addresses,
      ...(this.membership?.members ?? []).map(({ address }) => address),
    ]);
    for (const [address, session] of this.#sessions) {
      if (addresses.has(address) || !session.isUnused) continue;
      this.#sessions.delete(address);
      this.#pastDials += session.dials;
      session.close(() => {});
    }
  }

  /** A proxy is out of reach: another may know a document without it. */
  #onGone(address: string, session: Session): void {
    this.#forgetLeavers();
    if (this.#ring === null) {
      if (this.#options.addresses.length === 1 || this.#firstAddress() !== address) return;
      this.#first += 1;
      return this.#options.clock.afterInput(() => session.moveWaiting());
    }
    this.#first += 1;
    const others = [
      ...this.#ring.membership.members.map((member) => member.address),
      ...this.#options.addresses,
    ];
    const candidates = others.filter((each) => each !== address);
    this.#news += 1;
    const next = candidates[this.#news % candidates.length];
    if (next !== undefined && session.isWanted) this.#session(next).touch();
  }
}
