// How much a process reads in one turn of its loop. Each connection is read for as long as there is something, up to the
// megabytes that the kernel holds for it, so that with many who send much a turn lasts long, and who asks little waits for
// all of it. So when enough has been read, those who send much are stopped; in turns to come they go on, first those that
// have waited longest, in each turn as many as will fill it.

import { NextTurn } from "./next-turn.ts";

/** Read by all connections together before they are stopped: two to three milliseconds of work. */
const TURN_BYTES_MAX = 2 * 1_024 * 1_024;
/** Shorter reads are what others wait for: they neither count nor stop anybody. */
const COUNTED_BYTES_MIN = 65_536;

/** A connection, as the account knows it. */
export interface Reader {
  /** Nothing is read of it until it goes on. */
  stop(): void;
  goOn(): void;
}

/** The account of one loop. */
export class ReadTurns {
  readonly #nextTurn: NextTurn;
  #bytes = 0;
  /** Enough has been read in this turn. */
  #isOver = false;
  #wasShared = false;
  /** Who has read in this turn, and how many bytes. */
  readonly #read = new Map<Reader, number>();
  /** Who went on in this turn and has read nothing since, with what it read in the turn that stopped it. */
  readonly #goingOn = new Map<Reader, number>();
  /** Who is stopped, likewise, in the order in which they go on. */
  #stopped: (readonly [Reader, number])[] = [];

  constructor(atNextTurn: (act: () => void) => void) {
    this.#nextTurn = new NextTurn(atNextTurn, () => this.#beginTurn());
  }

  /**
   * Notes what a connection has read. False: it is to stop, as if told so, and is told when it may go on. One that reads
   * alone, in this turn and the one before, is never stopped: there is nobody it keeps waiting for long.
   */
  mayReadOn(bytes: number, reader: Reader): boolean {
    if (bytes < COUNTED_BYTES_MIN) return true;
    this.#nextTurn.expect();
    this.#bytes += bytes;
    this.#goingOn.delete(reader);
    this.#read.set(reader, (this.#read.get(reader) ?? 0) + bytes);
    const isShared = this.#wasShared || this.#read.size > 1;
    if (this.#bytes < TURN_BYTES_MAX || !isShared) return true;
    if (!this.#isOver) this.#stopAllBut(reader);
    return false;
  }

  #stopAllBut(reader: Reader): void {
    this.#isOver = true;
    for (const other of this.#read.keys()) if (other !== reader) other.stop();
    for (const other of this.#goingOn.keys()) other.stop();
  }

  #beginTurn(): void {
    // Who was stopped before it was read has the next turn alone: else those that the kernel reports first were read for ever.
    const passedOver = this.#isOver ? this.#goingOn.size : 0;
    const others = passedOver + this.#stopped.length;
    this.#wasShared = this.#read.size > 1 || others > 0;
    if (this.#isOver) this.#stopped = [...this.#goingOn, ...this.#stopped, ...this.#read];
    this.#isOver = false;
    this.#bytes = 0;
    this.#read.clear();
    this.#goingOn.clear();
    const most = passedOver > 0 ? passedOver : this.#stopped.length;
    let expectedBytes = 0;
    for (const [reader, bytes] of this.#stopped.slice(0, most)) {
      if (expectedBytes >= TURN_BYTES_MAX) break;
      expectedBytes += bytes;
      this.#goingOn.set(reader, bytes);
    }
    this.#stopped.splice(0, this.#goingOn.size);
    if (this.#stopped.length > 0 || this.#goingOn.size > 0) this.#nextTurn.expect();
    for (const reader of this.#goingOn.keys()) reader.goOn();
  }
}
