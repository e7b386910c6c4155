// A proxy for tests of the client: keeps chunks in maps, speaks the protocol by the book, and misbehaves on demand.
// It is no second implementation of the proxy: it has no nodes, no eviction and no durable state.

import type { Membership } from "../../../src/core/membership.ts";
import { buildRing } from "../../../src/core/ring.ts";
import type { Connection, Dialer } from "../../../src/wire/connection.ts";
import type { FieldsOf, Message, MessageOf } from "../../../src/wire/messages.ts";
import { connectionPair, type Schedule } from "../../../src/wire/pair.ts";
import { FakeSession } from "./fake-session.ts";

/** A chunk and the digest it came with. */
export interface StoredChunk {
  readonly bytes: Uint8Array;
  readonly low: number;
  readonly high: number;
}

/** One object as the fake keeps it. */
export interface FakeObject {
  readonly described: Omit<FieldsOf<"found">, "firstStripe" | "endStripe">;
  /** By `stripe/index`. */
  readonly chunks: Map<string, StoredChunk>;
}

/** How a fake proxy answers from its memory. */
export interface Whole {
  readonly index: number;
  readonly isDamaged: boolean;
  /** What it says of the object beside the truth. */
  readonly more?: Partial<FieldsOf<"whole">>;
}

/** What the fake shall do wrong; read at each occasion. */
export interface Mischief {
  /** Turns a chunk's bytes before they are sent. */
  corrupt?: (stripe: number, index: number) => boolean;
  /** Closes the connection instead of handling a message. */
  cutAt?: (message: Message) => boolean;
  /** Says nothing about a message. */
  ignore?: (message: Message) => boolean;
  /** Asks for a chunk again this often. */
  resends?: (stripe: number, index: number, attempt: number) => boolean;
  /** Asks for a second attempt of these before the first was announced. */
  resendsEarly?: (index: number) => boolean;
  /** Never confirms these chunks; the stripe is stored without them. */
  straggles?: (stripe: number, index: number) => boolean;
  /** Answers a GET with all of the object at once, chunk `index` of it, changed as it says; null: as ever. */
  whole?: (message: MessageOf<"get">) => Whole | null;
  /** Sends these instead of a data frame; the body is sliced from the chunk as given. */
  parts?: (
    stripe: number,
    index: number,
    bytes: number,
  ) => readonly { offset: number; bytes: number; attempt: number }[] | null;
}

/** See the header. */
export class FakeProxy implements Dialer {
  readonly objects = new Map<string, FakeObject>();
  readonly lost = new Set<string>();
  readonly seen: Message[] = [];
  readonly repaired: MessageOf<"repair">[] = [];
  mischief: Mischief = {};
  /** The document it works by, and its own name in it. */
  ring: { readonly membership: Membership; readonly id: string } | null = null;
  isDown = false;
  /** What it says of its reign: a restart has a higher term, and the same generation if it kept its table. */
  term = 1;
  generation = 7;
  connections = 0;
  openConnections = 0;
  repairOutcome: "stored" | "obsolete" | "refused" = "stored";
  readonly #schedule: Schedule;
  readonly #outcomes = new Map<number, Message>();
  #version = 0;
  #current: Connection | null = null;

  constructor(schedule: Schedule = (task) => void setImmediate(task)) {
    this.#schedule = schedule;
  }

  dial(
    _address: string,
    _deadlineMs: number,
    opened: (connection: Connection | null, reason: string) => void,
  ): void {
    this.#schedule(() => {
      if (this.isDown) return opened(null, "connection refused");
      const [client, proxy] = connectionPair(this.#schedule);
      this.serve(proxy);
      opened(client, "");
    });
  }

  /** Takes the proxy's end of a connection, made by `dial` or by a real listener. */
  serve(connection: Connection): void {
    new FakeSession(this, connection);
    this.connections += 1;
    this.openConnections += 1;
    this.#current = connection;
  }

  get epoch(): number {
    return this.ring?.membership.epoch ?? 0;
  }

  /** Whether the ring lets it answer. */
  owns(message: Message): boolean {
    if (this.ring === null || !("key" in message)) return true;
    return buildRing(this.ring.membership).ownerOf(message.key).id === this.ring.id;
  }

  /** Works by another document, and tells its newest client. */
  adopt(membership: Membership): void {
    if (this.ring !== null) this.ring = { ...this.ring, membership };
    const envelope = { channel: 0, term: 0, invocation: 0 };
    this.#current?.send(envelope, { kind: "membership", ...membership });
  }

  /** Closes the newest connection. */
  cut(): void {
    this.#current?.close("cut by the test");
  }

  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  /** Proves a chunk missing from now on. */
  lose(key: string, stripe: number, index: number): void {
    this.lost.add(`${key}/${stripe}/${index}`);
  }

  outcomeOf(sequence: number): Message | undefined {
    return this.#outcomes.get(sequence);
  }

  keepOutcome(sequence: number, message: Message): void {
    this.#outcomes.set(sequence, message);
  }

  /** How many messages of a kind came. */
  count(kind: Message["kind"]): number {
    return this.seen.filter((message) => message.kind === kind).length;
  }
}
