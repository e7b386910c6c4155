// A table that numbers what is put into it: operations under way, the exchanges of a connection. Numbers rise and are never
// given twice; one whose place is still taken is passed over, so that finding a value is one look into an array. It takes
// half as long as a Roster, and as little keeps its past values alive.

import { assert } from "./assert.ts";

/** A power of two. */
const PLACES_MIN = 16;
/** An empty table with more places gives them back. */
const EMPTY_PLACES_MAX = 1_024;

/** See the header. */
export class Numbered<Value extends object> {
  #values: (Value | undefined)[] = emptyPlaces(PLACES_MIN);
  /** Whose value stands at a place; means nothing where none does. */
  #numbers = new Float64Array(PLACES_MIN);
  #mask = PLACES_MIN - 1;
  #last = 0;
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** The number that `add` will give, from 1. */
  next(): number {
    // At most half full, so that a free place is near.
    if (2 * this.#size >= this.#values.length) this.#resize(2 * this.#values.length);
    let number = this.#last + 1;
    while (this.#values[number & this.#mask] !== undefined) number++;
    return number;
  }

  /** Puts a value in; answers its number. */
  add(value: Value): number {
    const number = this.next();
    this.#last = number;
    this.#put(number, value);
    this.#size++;
    return number;
  }

  get(number: number): Value | undefined {
    const place = number & this.#mask;
    return this.#numbers[place] === number ? this.#values[place] : undefined;
  }

  /** True when it was there. */
  delete(number: number): boolean {
    if (this.get(number) === undefined) return false;
    this.#values[number & this.#mask] = undefined;
    this.#size--;
    if (this.#size === 0 && this.#values.length > EMPTY_PLACES_MAX) this.#resize(PLACES_MIN);
    return true;
  }

  /** Takes all of them out, and begins to count anew. */
  clear(): void {
    this.#last = 0;
    this.#size = 0;
    this.#values.fill(undefined);
    this.#resize(PLACES_MIN);
  }

  /** What is there now, in the order in which it came. Later changes are not seen. */
  values(): Value[] {
    return this.#entries().map(({ value }) => value);
  }

  /** Visits what is there now, in the order in which it came, and has not gone until its turn. */
  visit(act: (value: Value) => void): void {
    for (const { number, value } of this.#entries()) if (this.get(number) === value) act(value);
  }

  #entries(): { readonly number: number; readonly value: Value }[] {
    const entries: { number: number; value: Value }[] = [];
    for (const [place, value] of this.#values.entries()) {
      if (value !== undefined) entries.push({ number: this.#numbers[place]!, value });
    }
    return entries.sort((one, other) => one.number - other.number);
  }

  #put(number: number, value: Value): void {
    const place = number & this.#mask;
    this.#values[place] = value;
    this.#numbers[place] = number;
  }

  /** Two numbers that differ in their places differ in those of a longer table, too; a shorter one is made of an empty one only. */
  #resize(places: number): void {
    assert(places > this.#values.length || this.#size === 0, "a table in use was cut short");
    const entries = this.#entries();
    this.#values = emptyPlaces(places);
    this.#numbers = new Float64Array(places);
    this.#mask = places - 1;
    for (const { number, value } of entries) this.#put(number, value);
  }
}

function emptyPlaces<Value>(count: number): (Value | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
