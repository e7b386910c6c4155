// How much a process hands to its sockets in one turn of its loop. A reader that is fast takes all that is queued for it, so
// that with many who are sent much a turn lasts long, and who asks little waits for all of it. So when enough was handed over,
// those who have more go on in turns to come: first who has little, then those that have waited longest.

import { Fifo } from "../wire/fifo.ts";
import { NextTurn } from "./next-turn.ts";

/** Handed over by all connections together before they wait: one to two milliseconds of work. */
const TURN_BYTES_MAX = 2 * 1_024 * 1_024;
/** Who has less queued is what others wait for, and may write up to twice the bound. */
const MUCH_BYTES_MIN = 65_536;

/** The account of one loop. */
export class WriteTurns {
  readonly #nextTurn: NextTurn;
  #bytes = 0;
  readonly #little = new Fifo<() => void>();
  readonly #much = new Fifo<() => void>();

  constructor(atNextTurn: (act: () => void) => void) {
    this.#nextTurn = new NextTurn(atNextTurn, () => this.#beginTurn());
  }

  /** Whether a connection with so much queued may write some of it. False: `goOn` is called once, in a turn to come. */
  mayWrite(queuedBytes: number, goOn: () => void): boolean {
    const isLittle = queuedBytes < MUCH_BYTES_MIN;
    if (this.#bytes < (isLittle ? 2 * TURN_BYTES_MAX : TURN_BYTES_MAX)) return true;
    (isLittle ? this.#little : this.#much).push(goOn);
    return false;
  }

  /** Notes what was handed over. Little is added up over many turns: a turn must not cost more for it. */
  wrote(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= MUCH_BYTES_MIN) this.#nextTurn.expect();
  }

  #beginTurn(): void {
    this.#bytes = 0;
    for (const waiting of [this.#little, this.#much]) {
      // Who cannot finish in this turn asks again, and stands behind those that are here now.
      for (let left = waiting.count; left > 0 && this.#bytes < TURN_BYTES_MAX; left--)
        waiting.shift()?.();
    }
    if (this.#little.count + this.#much.count > 0) this.#nextTurn.expect();
  }
}
