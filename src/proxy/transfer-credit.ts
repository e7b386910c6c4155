// How much all chunk transfers through a proxy may have on their way together, and each of them. What is held in parts
// and what senders were allowed and have not sent yet count alike. A transfer that has nothing on its way may always
// ask for a little: one whose reader is slow makes others go in smaller steps, and stops none of them.

import { CREDIT_BYTES_INITIAL } from "../core/limits.ts";

/** What all may have on their way: enough for a GET of 100 MB at full speed. */
export const TRANSFER_BYTES_DEFAULT: number = 32 * 1_024 * 1_024;
/** What a transfer may have on its way in any case, and the step in which it gets more where there is little. */
const STEP_BYTES = 64 * 1_024;
/** The step where there is much: of a PUT's parts, which would else become ever smaller pieces of it. */
const STEP_BYTES_LARGE = CREDIT_BYTES_INITIAL / 2;

/** The bytes that all transfers of one proxy have on their way. */
export class TransferBudget {
  readonly #bytesMax: number;
  #heldBytes = 0;
  #promisedBytes = 0;
  #transfers = 0;

  constructor(bytesMax: number = TRANSFER_BYTES_DEFAULT) {
    this.#bytesMax = bytesMax;
  }

  /** What is held in parts or may come at any time. */
  get bytes(): number {
    return this.#heldBytes + this.#promisedBytes;
  }

  /** What is held in parts now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** A buffer of so many bytes is held from now on. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** Its last holder is done with it. */
  letGo(bytes: number): void {
    this.#heldBytes -= bytes;
  }

  /** A transfer begins. */
  begin(): TransferCredit {
    this.#transfers++;
    return new TransferCredit(this);
  }

  /** @internal A transfer has ended. */
  end(): void {
    this.#transfers--;
  }

  /** @internal A sender was allowed so many bytes more, or so many fewer. */
  promise(bytes: number): void {
    this.#promisedBytes += bytes;
  }

  /** @internal What a transfer may have on its way where all others have as much. */
  get shareBytes(): number {
    return Math.min(CREDIT_BYTES_INITIAL, this.#bytesMax / Math.max(1, this.#transfers));
  }

  /** @internal What a transfer may be allowed that has so much on its way and could take `leftBytes` more. */
  room(onItsWayBytes: number, leftBytes: number): number {
    const share = this.shareBytes;
    const free = Math.min(share - onItsWayBytes, this.#bytesMax - this.bytes);
    if (free >= leftBytes) return leftBytes;
    // Little by little would cost a message and a part each time.
    if (onItsWayBytes > 0 && free < share / 2) return 0;
    const step = free >= STEP_BYTES_LARGE ? STEP_BYTES_LARGE : STEP_BYTES;
    const bytes = Math.floor(free / step) * step;
    if (bytes > 0 || onItsWayBytes > 0) return Math.max(0, bytes);
    return Math.min(STEP_BYTES, leftBytes);
  }
}

/** What one transfer has on its way: allowed and not yet here, or here and not yet passed on. */
export class TransferCredit {
  readonly #budget: TransferBudget;
  #promisedBytes = 0;
  #passingBytes = 0;
  #isOver = false;

  constructor(budget: TransferBudget) {
    this.#budget = budget;
  }

  /** What is here and was not passed on yet. */
  get heldBytes(): number {
    return this.#passingBytes;
  }

  /** How far one of several readers may be behind the fastest. */
  get lagBytesMax(): number {
    return Math.max(STEP_BYTES, this.#budget.shareBytes);
  }

  /**
   * How much more the sender is allowed now, where so many bytes have still to come; if 0, some are on their way, and it
   * is asked again when they have been passed on.
   */
  draw(toComeBytes: number): number {
    if (this.#isOver) return 0;
    const onItsWayBytes = this.#promisedBytes + this.#passingBytes;
    const bytes = this.#budget.room(onItsWayBytes, toComeBytes - this.#promisedBytes);
    this.promise(bytes);
    return bytes;
  }

  /** The sender may send so much without being told. */
  promise(bytes: number): void {
    this.#promisedBytes += bytes;
    this.#budget.promise(bytes);
  }

  /** So many bytes that were allowed are here. */
  onReceived(bytes: number): void {
    const promised = Math.min(bytes, this.#promisedBytes);
    this.#promisedBytes -= promised;
    this.#budget.promise(-promised);
    this.#passingBytes += bytes;
  }

  /** So many bytes have left again. */
  onPassedOn(bytes: number): void {
    this.#passingBytes = Math.max(0, this.#passingBytes - bytes);
  }

  /** What was allowed will not come: the transfer begins again. */
  restart(): void {
    this.#budget.promise(-this.#promisedBytes);
    this.#promisedBytes = 0;
  }

  /** The transfer is over; more than once does no harm. */
  end(): void {
    if (this.#isOver) return;
    this.restart();
    this.#isOver = true;
    this.#budget.end();
  }
}
