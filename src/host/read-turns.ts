// How much a process reads in one turn of its loop. Each connection is read for as long as there is something, up to the
// megabytes that the kernel holds for it, so that with many who send much a turn lasts long, and who asks little waits for
// all of it. So those who come when enough has been read are stopped after one read, and go on in the next turn.

/** Read by all connections together before others are stopped: one to two milliseconds of work. */
const TURN_BYTES_MAX = 2 * 1_024 * 1_024;
/** Shorter reads are what others wait for: they neither count nor stop anybody. */
const COUNTED_BYTES_MIN = 65_536;

/** The account of one loop. */
export class ReadTurns {
  readonly #atNextTurn: (act: () => void) => void;
  #bytes = 0;
  #isDue = false;
  #stopped: (() => void)[] = [];
  #first: (() => void) | null = null;
  #isShared = false;
  #wasShared = false;

  constructor(atNextTurn: (act: () => void) => void) {
    this.#atNextTurn = atNextTurn;
  }

  /**
   * Notes what a connection has read. False: it is to stop reading, and `resume`, by which it is known here, is called in the
   * next turn. One that reads alone is never stopped: there is nobody it keeps waiting for long.
   */
  mayReadOn(bytes: number, resume: () => void): boolean {
    if (bytes < COUNTED_BYTES_MIN) return true;
    if (!this.#isDue) {
      this.#isDue = true;
      this.#atNextTurn(() => this.#beginTurn());
    }
    this.#bytes += bytes;
    this.#first ??= resume;
    this.#isShared ||= resume !== this.#first;
    if (this.#bytes < TURN_BYTES_MAX || !(this.#isShared || this.#wasShared)) return true;
    this.#stopped.push(resume);
    return false;
  }

  #beginTurn(): void {
    const stopped = this.#stopped;
    this.#isDue = false;
    this.#bytes = 0;
    this.#stopped = [];
    this.#first = null;
    this.#wasShared = this.#isShared;
    this.#isShared = false;
    for (const resume of stopped) resume();
  }
}
