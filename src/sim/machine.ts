// One simulated machine: a proxy's, a client's, or the sandbox of an instance. It can freeze, thaw and die. All that
// reaches a program goes through here: while it is frozen timers and input wait, and after death they are dropped.

import type { Clock, Timer } from "../core/ports.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** See the header. */
export class Machine {
  readonly name: string;
  /** The clock that programs on this machine use. */
  readonly clock: Clock;
  /** Nothing passes between this machine and any other before this time. */
  isolatedUntil = 0;
  /** Until this time its messages take `slowness` times as long. */
  slowUntil = 0;
  slowness = 1;
  readonly #world: VirtualClock;
  #state: "running" | "frozen" | "dead" = "running";
  #overdue: (() => void)[] = [];
  #input: (() => void)[] = [];

  constructor(name: string, world: VirtualClock) {
    this.name = name;
    this.#world = world;
    this.clock = {
      now: () => world.now(),
      setTimer: (delayMs, fire) => this.#setTimer(delayMs, fire),
      afterInput: (act) => world.afterInput(() => this.deliver(act)),
    };
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  get isFrozen(): boolean {
    return this.#state === "frozen";
  }

  /** Something happens to the machine now: its program sees it now, after the thaw, or never. */
  deliver(act: () => void): void {
    if (this.#state === "running") act();
    else if (this.#state === "frozen") this.#input.push(act);
  }

  freeze(): void {
    if (this.#state === "running") this.#state = "frozen";
  }

  /** Goes on: overdue timers come first, then `first`, then the input that has waited, as Node does after SIGCONT. */
  thaw(first: () => void): void {
    const waiting = [...this.#overdue, first, ...this.#input];
    this.#overdue = [];
    this.#input = [];
    if (this.#state === "frozen") this.#state = "running";
    for (const act of waiting) this.#world.at(0, () => this.deliver(act));
  }

  /** Its memory is gone. Connections are the network's business. */
  die(): void {
    this.#state = "dead";
    this.#overdue = [];
    this.#input = [];
  }

  #setTimer(delayMs: number, fire: () => void): Timer {
    let isCancelled = false;
    const timer = this.#world.setTimer(delayMs, () => {
      const act = (): void => {
        if (!isCancelled) fire();
      };
      if (this.#state === "frozen") this.#overdue.push(act);
      else this.deliver(act);
    });
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}
