// A first-in, first-out queue that takes and gives in constant time. It sets no bound: its owner does.

/** How many places at the front may be empty before they are given back. */
const EMPTY_PLACES_MAX = 64;

/** A queue of values, oldest first. */
export class Fifo<Value> {
  #values: (Value | undefined)[] = [];
  #head = 0;

  /** How many values are queued. */
  get count(): number {
    return this.#values.length - this.#head;
  }

  /** Puts a value behind all others. */
  push(value: Value): void {
    this.#values.push(value);
  }

  /** The oldest value, left where it is; undefined when there is none. */
  first(): Value | undefined {
    return this.#values[this.#head];
  }

  /** Takes the oldest value; undefined when there is none. */
  shift(): Value | undefined {
    if (this.#head === this.#values.length) return undefined;
    const value = this.#values[this.#head];
    this.#values[this.#head] = undefined;
    this.#head += 1;
    // Moving the rest down only when half is empty keeps the cost of a shift constant on average.
    if (this.#head > EMPTY_PLACES_MAX && this.#head * 2 > this.#values.length) {
      this.#values = this.#values.slice(this.#head);
      this.#head = 0;
    }
    return value;
  }

  /** Takes out the first occurrence of a value, in time linear in the length. */
  remove(value: Value): void {
    const at = this.#values.indexOf(value, this.#head);
    if (at >= 0) this.#values.splice(at, 1);
  }
}
