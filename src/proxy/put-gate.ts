// The gate that bounds how many PUTs are under way at once, and with them the memory of parts on their way.

/** A place among the PUTs that may be under way, held or waited for. */
export interface PutSlot {
  /** Gives it up, whether it was got or not. */
  release(): void;
}

/** Chunks that may be on their way into the pool at once: each may keep a credit's worth of memory here. */
const CHUNKS_ADMITTED_MAX = 192;
/** PUTs that may wait for admission. */
const PUTS_WAITING_MAX = 10_000;

/** Admits PUTs in the order of their coming, as long as the chunks of their stripes fit. */
export class PutGate {
  #admittedChunks = 0;
  readonly #waiting = new Set<{ readonly chunks: number; readonly begin: () => void }>();

  /** False when too many wait already. */
  get hasRoomToWait(): boolean {
    return this.#waiting.size < PUTS_WAITING_MAX;
  }

  /** `begin` is called in this call or in a later one, unless the slot is released first. */
  admit(chunks: number, begin: () => void): PutSlot {
    let state: "waiting" | "admitted" | "released" = "waiting";
    const ticket = {
      chunks: Math.min(chunks, CHUNKS_ADMITTED_MAX),
      begin: (): void => {
        state = "admitted";
        begin();
      },
    };
    this.#waiting.add(ticket);
    this.#pump();
    return {
      release: (): void => {
        if (state === "waiting") this.#waiting.delete(ticket);
        if (state === "admitted") this.#admittedChunks -= ticket.chunks;
        state = "released";
        this.#pump();
      },
    };
  }

  #pump(): void {
    for (const ticket of this.#waiting) {
      if (this.#admittedChunks + ticket.chunks > CHUNKS_ADMITTED_MAX) return;
      this.#waiting.delete(ticket);
      this.#admittedChunks += ticket.chunks;
      ticket.begin();
    }
  }
}
