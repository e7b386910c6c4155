// Leases on keys: who may load an object from behind the cache, or change it there, and whether anybody has changed the
// key meanwhile. At most one holder per key; the others wait. A lease says nothing about those who change a key without
// one: it is only told of it, so that what was loaded before that change is never stored after it.

import type { ClientChannel } from "./operation.ts";

/** Why a lease was asked for: to store what a load brings, or to change the object here and at its origin. */
export type LeasePurpose = "load" | "change";

/** How a load ended, for those who waited for it. */
export interface LoadEnd {
  readonly outcome: "loaded" | "absent" | "failed" | "released";
  /** Of a failure. */
  readonly code: string;
  readonly reason: string;
}

/** One who holds a lease or waits for it. */
export interface LeaseHolder {
  readonly key: string;
  readonly purpose: LeasePurpose;
  readonly channel: Pick<ClientChannel, "clientId">;
  granted(lease: number): void;
  /** Instead of a lease: there is nothing to load any more, or the load that was waited for has ended so. */
  over(end: LoadEnd | "present"): void;
  /** Instead of a lease: the key belongs to another proxy. */
  moved(): void;
}

interface Held {
  readonly holder: LeaseHolder;
  readonly lease: number;
  isValid: boolean;
}

interface KeyLeases {
  current: Held | null;
  readonly changes: Set<LeaseHolder>;
  readonly loads: Set<LeaseHolder>;
}

/** The table as leases need it. */
export interface LeaseContext {
  /** Whether there is something to read. */
  isPresent(key: string): boolean;
  /** A number that was never a lease before. */
  drawVersion(): number;
}

/** All leases of one proxy. Bounded by the operations that connections may have under way. */
export class Leases {
  readonly #context: LeaseContext;
  readonly #keys = new Map<string, KeyLeases>();
  /** Leases that were overtaken while held: their holders have yet to hear of it. */
  readonly #overtaken = new Map<LeaseHolder, number>();

  constructor(context: LeaseContext) {
    this.#context = context;
  }

  /** Keys that somebody holds or waits for. */
  get size(): number {
    return this.#keys.size;
  }

  /** Grants at once, lets wait, or tells that there is nothing to wait for; always through the holder. */
  ask(holder: LeaseHolder): void {
    const leases = this.#keys.get(holder.key) ?? {
      current: null,
      changes: new Set(),
      loads: new Set(),
    };
    this.#keys.set(holder.key, leases);
    leases[holder.purpose === "load" ? "loads" : "changes"].add(holder);
    this.#next(holder.key, leases);
  }

  /** Ends a lease or the wait for one. True when nobody has changed the key since it was granted. */
  end(holder: LeaseHolder, end: LoadEnd): boolean {
    if (this.#overtaken.delete(holder)) return false;
    const leases = this.#keys.get(holder.key);
    if (leases === undefined) return false;
    leases.loads.delete(holder);
    leases.changes.delete(holder);
    const { current } = leases;
    const isHeld = current?.holder === holder;
    const isValid = isHeld && current.isValid;
    if (isHeld) {
      leases.current = null;
      const isAnswer = holder.purpose === "load" && isValid && end.outcome !== "released";
      if (isAnswer) for (const waiting of take(leases.loads)) waiting.over(end);
    }
    this.#next(holder.key, leases);
    return isValid;
  }

  /** Whether this lease of this client lets a PUT of the key take effect. */
  isHeld(key: string, clientId: string, lease: number): boolean {
    const current = this.#keys.get(key)?.current ?? null;
    return (
      current?.isValid === true &&
      current.lease === lease &&
      current.holder.channel.clientId === clientId
    );
  }

  /** The key was changed; `lease`: by the holder of that one (0: without any). */
  changed(key: string, lease: number): void {
    const current = this.#keys.get(key)?.current ?? null;
    if (current !== null && current.lease !== lease) current.isValid = false;
  }

  /** Every key with the prefix was changed. */
  cleared(prefix: string): void {
    for (const key of this.#keys.keys()) if (key.startsWith(prefix)) this.changed(key, 0);
  }

  /** The other keys belong to other proxies from now on: their leases are of no use. */
  keepOnly(isKept: (key: string) => boolean): void {
    for (const [key, { current, changes, loads }] of [...this.#keys]) {
      if (isKept(key)) continue;
      if (current !== null) this.#overtaken.set(current.holder, current.lease);
      this.#keys.delete(key);
      for (const waiting of [...take(changes), ...take(loads)]) waiting.moved();
    }
  }

  #next(key: string, leases: KeyLeases): void {
    const { current, changes, loads } = leases;
    const change = first(changes);
    if (change !== null && current?.holder.purpose !== "change") {
      // A change does not wait for a load: what that brings is out of date.
      if (current !== null) this.#overtaken.set(current.holder, current.lease);
      changes.delete(change);
      return this.#grant(leases, change);
    }
    if (current !== null) return;
    if (loads.size > 0 && this.#context.isPresent(key)) {
      for (const waiting of take(loads)) waiting.over("present");
    }
    const load = first(loads);
    if (load === null) {
      if (this.#keys.get(key) === leases) this.#keys.delete(key);
      return;
    }
    loads.delete(load);
    this.#grant(leases, load);
  }

  #grant(leases: KeyLeases, holder: LeaseHolder): void {
    const lease = this.#context.drawVersion();
    leases.current = { holder, lease, isValid: true };
    holder.granted(lease);
  }
}

function first(holders: ReadonlySet<LeaseHolder>): LeaseHolder | null {
  return holders.values().next().value ?? null;
}

function take(holders: Set<LeaseHolder>): readonly LeaseHolder[] {
  const all = [...holders];
  holders.clear();
  return all;
}
