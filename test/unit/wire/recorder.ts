// A connection's owner that writes down what it gets, for tests of transports.

import type { Connection, ConnectionHandler, Envelope } from "../../../src/wire/connection.ts";
import type { Message } from "../../../src/wire/messages.ts";

/** An envelope of channel 1. */
export const ENVELOPE: Envelope = { channel: 1, term: 2, invocation: 3 };

/** The announcement of a part. */
export function dataAt(offset: number): Message {
  return { kind: "data", stripe: 0, index: 0, attempt: 0, offset };
}

/** Takes everything, remembers it, and lets a test wait for it. */
export class Recorder implements ConnectionHandler {
  readonly messages: Message[] = [];
  readonly bodies: (Uint8Array | null)[] = [];
  readonly closeReasons: string[] = [];
  /** Called for each message, before it is remembered. */
  onEach: (message: Message, connection: Connection) => void = () => {};
  wantsBodies = true;
  readonly connection: Connection;
  #waiting: { readonly isDone: () => boolean; readonly done: () => void }[] = [];

  constructor(connection: Connection) {
    this.connection = connection;
    connection.setHandler(this);
  }

  bodyPlace(_envelope: Envelope, _message: Message, bytes: number): Uint8Array | null {
    return this.wantsBodies ? new Uint8Array(bytes) : null;
  }

  onMessage(_envelope: Envelope, message: Message, body: Uint8Array | null): void {
    this.onEach(message, this.connection);
    this.messages.push(message);
    if (message.kind === "data") this.bodies.push(body);
    this.#look();
  }

  onClose(reason: string): void {
    this.closeReasons.push(reason);
    this.#look();
  }

  /** Resolves when so many messages of a kind have come. */
  async received(kind: Message["kind"], count = 1): Promise<Message> {
    const ofKind = (): Message[] => this.messages.filter((each) => each.kind === kind);
    await this.#until(() => ofKind().length >= count);
    return ofKind()[count - 1]!;
  }

  /** Resolves with the reason when the connection is over. */
  async closed(): Promise<string> {
    await this.#until(() => this.closeReasons.length > 0);
    return this.closeReasons[0]!;
  }

  #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ isDone, done }));
  }

  #look(): void {
    for (const each of this.#waiting.filter(({ isDone }) => isDone())) each.done();
    this.#waiting = this.#waiting.filter(({ isDone }) => !isDone());
  }
}
