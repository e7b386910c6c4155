// What is to be done when the next turn of the loop begins, however often it is asked for in this one.

/** One thing to do, and whether it is due. */
export class NextTurn {
  readonly #schedule: (act: () => void) => void;
  readonly #begin: () => void;
  #isDue = false;

  /** `schedule` calls what it is given once, in the next turn: `setImmediate`. */
  constructor(schedule: (act: () => void) => void, begin: () => void) {
    this.#schedule = schedule;
    this.#begin = begin;
  }

  /** It is done in the next turn, once. */
  expect(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#schedule(this.#act);
  }

  readonly #act = (): void => {
    this.#isDue = false;
    this.#begin();
  };
}
