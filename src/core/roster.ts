// A map for what comes and goes by the thousand each second: exchanges, transfers, operations under way.
//
// V8 makes a Map a new table whenever enough of it was deleted, and the old table refers to the new one. Once a full
// collection has moved one such table among the old objects, it keeps all later tables alive, and with them everything
// that was ever in the map, until the next full collection: collections of young objects free nothing any more and take
// fifty times as long. Here tables hold numbers only; the values lie in an array, from which a deleted one is gone.

/** How much of the array may be empty when nothing is in it. */
const EMPTY_SLOTS_MAX = 1_024;

/** As a `Map`, in the order of insertion; its past keeps no value alive. */
export class Roster<Key extends string | number, Value> {
  readonly #slotOf = new Map<Key, number>();
  #values: (Value | undefined)[] = [];
  #free: number[] = [];

  /** How many there are. */
  get size(): number {
    return this.#slotOf.size;
  }

  has(key: Key): boolean {
    return this.#slotOf.has(key);
  }

  get(key: Key): Value | undefined {
    const slot = this.#slotOf.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  set(key: Key, value: Value): void {
    const slot = this.#slotOf.get(key) ?? this.#claim(key);
    this.#values[slot] = value;
  }

  /** True when it was there. */
  delete(key: Key): boolean {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return false;
    this.#slotOf.delete(key);
    this.#values[slot] = undefined;
    this.#free.push(slot);
    if (this.#slotOf.size === 0 && this.#values.length > EMPTY_SLOTS_MAX) this.clear();
    return true;
  }

  clear(): void {
    this.#slotOf.clear();
    this.#values = [];
    this.#free = [];
  }

  /** The keys; changes on the way are seen, as with a `Map`. */
  keys(): IterableIterator<Key> {
    return this.#slotOf.keys();
  }

  /** The values; changes on the way are seen, as with a `Map`. */
  *values(): Generator<Value, void, undefined> {
    // Proof of the cast: every slot that a key has holds its value.
    for (const slot of this.#slotOf.values()) yield this.#values[slot] as Value;
  }

  /** Keys with their values; changes on the way are seen, as with a `Map`. */
  *[Symbol.iterator](): Generator<[Key, Value], void, undefined> {
    for (const [key, slot] of this.#slotOf) yield [key, this.#values[slot] as Value]; // As above.
  }

  #claim(key: Key): number {
    const slot = this.#free.pop() ?? this.#values.length;
    this.#slotOf.set(key, slot);
    return slot;
  }
}
