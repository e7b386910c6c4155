// A network in virtual time: listeners, dialling, and what can go wrong with machines and connections. Seeded delays,
// never a reordering within one direction, for the protocols run over TCP. It knows no message.

import type { Connection, Dialer } from "../wire/connection.ts";
import type { Draws } from "./draws.ts";
import type { Machine } from "./machine.ts";
import { SimConnection } from "./sim-connection.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** How fast the network is when nothing is wrong. */
export interface NetworkOptions {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly bytesPerMs: number;
  /** The chance that a body arrives with one bit flipped. */
  readonly flipProbability: number;
  /** The chance that the rest of a body, where it does not come with its beginning, has to be sent again. */
  readonly lossProbability: number;
  /** A bit was flipped. */
  onFlip(): void;
  /** The rest of a body was lost. */
  onLoss(): void;
  /** A connection ended in the middle of a body. */
  onTorn(): void;
}

interface Listener {
  readonly machine: Machine;
  readonly accept: (connection: Connection) => void;
}

/** How a connection breaks: both ends hear of it, only one does, or packets vanish and nobody hears anything. */
export type Breakage = "both" | "near" | "far" | "silent";

/** Everything that connects machines. */
export class Network {
  readonly clock: VirtualClock;
  readonly random: Draws;
  readonly options: NetworkOptions;
  readonly #listeners = new Map<string, Listener>();
  /** The dialling end of every connection that is not over on both sides. */
  readonly #open = new Set<SimConnection>();

  constructor(clock: VirtualClock, random: Draws, options: NetworkOptions) {
    this.clock = clock;
    this.random = random;
    this.options = options;
  }

  /** Connections that at least one end believes in. */
  get openCount(): number {
    this.#sweep();
    return this.#open.size;
  }

  /** Takes connections at an address until the machine dies or another takes the address over. */
  listen(address: string, machine: Machine, accept: (connection: Connection) => void): void {
    this.#listeners.set(address, { machine, accept });
  }

  /** The dialer of one machine. */
  dialerOf(machine: Machine): Dialer {
    return {
      dial: (address, deadlineMs, opened) => this.#dial(machine, address, deadlineMs, opened),
    };
  }

  /** How long a message of so many bytes takes between two machines now. */
  delayMs(from: Machine, to: Machine, bytes: number): number {
    const { delayMsMin, delayMsMax, bytesPerMs } = this.options;
    const now = this.clock.now();
    const slowness = Math.max(
      now < from.slowUntil ? from.slowness : 1,
      now < to.slowUntil ? to.slowness : 1,
    );
    return slowness * (this.random.between(delayMsMin, delayMsMax) + bytes / bytesPerMs);
  }

  /** The open connections of a machine, in the order of their making. */
  connectionsOf(machine: Machine): SimConnection[] {
    this.#sweep();
    return [...this.#open].filter(
      (near) => near.machine === machine || near.peer.machine === machine,
    );
  }

  /** Breaks one connection. */
  break(near: SimConnection, how: Breakage): void {
    near.cut();
    near.peer.cut();
    if (how === "both" || how === "near") near.fail("connection reset");
    if (how === "both" || how === "far") near.peer.fail("connection reset");
  }

  /** A machine has died: its peers hear of it, or its packets just stop. */
  onDeath(machine: Machine, isSilent: boolean): void {
    for (const near of this.connectionsOf(machine)) {
      const [dead, alive] = near.machine === machine ? [near, near.peer] : [near.peer, near];
      if (isSilent) {
        near.cut();
        near.peer.cut();
      } else {
        const delayMs = this.delayMs(dead.machine, alive.machine, 0);
        this.clock.setTimer(delayMs, () => alive.fail("closed by the other side"));
      }
    }
  }

  #dial(
    machine: Machine,
    address: string,
    deadlineMs: number,
    opened: (connection: Connection | null, reason: string) => void,
  ): void {
    const { clock } = this;
    const until = clock.now() + deadlineMs;
    let isAnswered = false;
    const answer = (connection: SimConnection | null, reason: string): boolean => {
      if (isAnswered) return false;
      isAnswered = true;
      machine.deliver(() => opened(connection, reason));
      return true;
    };
    clock.at(until, () => answer(null, "timed out"));
    const attempt = (): void => {
      if (isAnswered || machine.isDead) return;
      const listener = this.#listeners.get(address);
      const heldUntil = Math.max(machine.isolatedUntil, listener?.machine.isolatedUntil ?? 0);
      if (clock.now() < heldUntil) return void clock.at(heldUntil, attempt);
      const away = listener?.machine ?? machine;
      const backMs = this.delayMs(away, machine, 0);
      if (listener === undefined || listener.machine.isDead) {
        clock.setTimer(backMs, () => answer(null, "connection refused"));
        return;
      }
      const near = new SimConnection(this, machine, address);
      const far = new SimConnection(this, listener.machine, machine.name);
      near.join(far, clock.now() + backMs);
      far.join(near, clock.now());
      this.#open.add(near);
      listener.machine.deliver(() => listener.accept(far));
      clock.setTimer(backMs, () => {
        if (!answer(near, "")) this.break(near, "both");
      });
    };
    clock.setTimer(this.delayMs(machine, machine, 0), attempt);
  }

  #sweep(): void {
    for (const near of this.#open) if (near.isOver && near.peer.isOver) this.#open.delete(near);
  }
}
