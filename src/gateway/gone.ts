// Tells what is under way for a peer that the peer is gone. Beside one signal for the peer it lends a controller for each
// operation: thousands of operations on one connection would each leave a trace at one shared signal.

/** One peer, and what is under way for it. */
export class Gone {
  readonly #whole = new AbortController();
  readonly #lent = new Set<AbortController>();

  /** Aborted when the peer is gone; for operations of which there are few at once. */
  get signal(): AbortSignal {
    return this.#whole.signal;
  }

  /** A controller for one operation, aborted with the peer; to be handed back with `release`. */
  lend(): AbortController {
    const controller = new AbortController();
    if (this.#whole.signal.aborted) controller.abort();
    else this.#lent.add(controller);
    return controller;
  }

  /** The operation has ended. */
  release(controller: AbortController): void {
    this.#lent.delete(controller);
  }

  /** The peer is gone: everything under way for it is aborted. */
  abort(): void {
    this.#whole.abort();
    for (const controller of this.#lent) controller.abort();
    this.#lent.clear();
  }
}
