// One connection of a client: hello and welcome, and the operations on its channels. What a client does
// wrong ends here, with a refusal; nobody else notices.

import { type Access, EVERYTHING, type Grant, NO_GRANT } from "../core/access.ts";
import { DIRECT_CHUNK_BYTES_MIN_LOCAL } from "../core/direct.ts";
import { keyFault, type ObjectKey } from "../core/ids.ts";
import { toHex } from "../core/invocation.ts";
import type { Membership } from "../core/membership.ts";
import type { Crypto, Timer } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import type { Connection, ConnectionHandler, Envelope } from "../wire/connection.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import { admit } from "./admission.ts";
import { DirectPeers } from "./direct-peers.ts";
import { describe, GetOperation } from "./get-operation.ts";
import { LeaseOperation } from "./lease-operation.ts";
import type { ClientChannel, Operation, OperationContext } from "./operation.ts";
import { PutOperation } from "./put-operation.ts";
import { RepairOperation } from "./repair-operation.ts";
import { RepairOrder } from "./repair-order.ts";
import { durableOutcome } from "./retry-window.ts";

/** A connection that has not said hello by then is closed. */
const HELLO_MS_MAX = 10_000;
/** Operations under way on one connection. */
const CHANNELS_MAX = 4_096;
/** Rows of a listing page: a frame's fields hold 64 KiB, and keys may be long. */
const LISTING_ROWS_MAX = 1_000;
const LISTING_KEY_BYTES_MAX = 40_000;
/** Characters of the state told in one message; JSON of ours is ASCII but for keys. */
const STATUS_PIECE = 15_000;

/** Requests that change what is stored. */
const CHANGES: ReadonlySet<Message["kind"]> = new Set(["putOpen", "remove", "clear", "lease"]);

/** What a client's session needs of the proxy. */
export interface ClientSessionContext extends OperationContext {
  welcome(): MessageOf<"welcome">;
  /** Why nothing is served any more; null while it is. */
  superseded(): string | null;
  statusJson(): string;
  readonly crypto: Crypto;
  /** Null: everybody may do everything. */
  readonly access: Access | null;
  /** A number by which functions know a client that listens. */
  nextPeer(): number;
  onClosed(session: ClientSession): void;
}

/** The proxy's end of a client's connection. */
export class ClientSession implements ConnectionHandler {
  readonly connection: Connection;
  readonly #context: ClientSessionContext;
  readonly #operations = new Roster<number, Operation>();
  readonly #helloTimer: Timer;
  readonly #isLocal: boolean;
  /** What the client may do; null until its token is known. */
  #grant: Grant | null;
  #clientId: string | null = null;
  /** Nothing begins any more, and the connection closes with the last operation. */
  #isDraining = false;
  /** The number of the document the client works by. */
  #epoch = 0;
  #direct: DirectPeers | null = null;

  /** `isTrusted`: a part of this process, which needs no token. */
  constructor(connection: Connection, context: ClientSessionContext, isTrusted: boolean) {
    this.connection = connection;
    this.#context = context;
    this.#isLocal = isTrusted;
    this.#grant = isTrusted || context.access === null ? EVERYTHING : null;
    connection.setHandler(this);
    this.#helloTimer = context.clock.setTimer(HELLO_MS_MAX, () =>
      connection.close("no hello in time"),
    );
  }

  /** Operations that somebody waits for. */
  get operationsUnderWay(): number {
    let count = 0;
    for (const { isBackground } of this.#operations.values()) if (isBackground !== true) count++;
    return count;
  }

  /**
   * The proxy is about to close. What is under way ends; what comes now is not answered, so that it is sent again to the
   * next proxy when this connection closes.
   */
  drain(): void {
    this.#isDraining = true;
    this.#closeIfDrained();
  }

  bodyPlace(envelope: Envelope, message: Message, bytes: number): Uint8Array | null {
    return this.#operations.get(envelope.channel)?.bodyPlace(message, bytes) ?? null;
  }

  onMessage(envelope: Envelope, message: Message, body: Uint8Array | null): void {
    const { channel } = envelope;
    if (message.kind === "hello") return this.#onHello(message);
    if (message.kind === "epoch") return this.#onEpoch(message.epoch);
    if (this.#clientId === null)
      return this.#refuse("ICACHE_PROTOCOL", "the first message must be hello");
    const operation = this.#operations.get(channel);
    if (operation !== undefined) {
      if (message.kind !== "cancel") return operation.onMessage(message, body);
      this.#operations.delete(channel);
      this.connection.dropQueued(channel);
      operation.abandon();
      return this.#closeIfDrained();
    }
    if (this.#isDraining) return;
    this.#begin(channel, message, this.#clientId);
  }

  onClose(): void {
    this.#helloTimer.cancel();
    const operations = [...this.#operations.values()];
    this.#operations.clear();
    for (const operation of operations) operation.abandon();
    this.#context.onClosed(this);
  }

  #onHello(message: MessageOf<"hello">): void {
    if (this.#clientId !== null) return this.#refuse("ICACHE_PROTOCOL", "hello was said before");
    this.#helloTimer.cancel();
    const { access, wallClock } = this.#context;
    this.#grant ??= access?.identify(message.token, wallClock.now()) ?? null;
    if (this.#grant === null) return this.#refuse(NO_GRANT.code, NO_GRANT.reason);
    const superseded = this.#context.superseded();
    if (superseded !== null) return this.turnAway(superseded);
    this.#clientId = toHex(message.clientId);
    this.#epoch = message.epoch;
    const { ring } = this.#context;
    // Who knows a newer document makes us look for it before we say by which we work.
    if (ring !== null && message.epoch > ring.epoch) ring.refresh();
    this.#send(0, this.#context.welcome());
    this.announce(ring?.membership ?? null);
  }

  /** Sends the document to a client that works by an older one. */
  announce(membership: Membership | null): void {
    if (membership === null || this.#clientId === null || membership.epoch <= this.#epoch) return;
    this.#send(0, { kind: "membership", ...membership });
  }

  /** The pool is another proxy's: what is under way ends with the connection, and the client is told why. */
  turnAway(reason: string): void {
    this.#refuse("ICACHE_SUPERSEDED", reason);
  }

  #onEpoch(epoch: number): void {
    if (epoch > this.#epoch) this.#epoch = epoch;
  }

  /** Whether the ring lets us serve the request. What has taken effect already is told in any case. */
  #isOurs(message: Message, clientId: string): boolean {
    const { ring } = this.#context;
    if (ring === null) return true;
    const isChange = CHANGES.has(message.kind);
    const key = "key" in message ? message.key : null;
    if (message.kind === "status" || message.kind === "ping") return true;
    if (key === null && !isChange && message.kind !== "list") return true; // Of an operation that has ended.
    if (ring.mayServe(key, isChange, this.#epoch)) return true;
    return "sequence" in message && this.#context.outcomeOf(clientId, message.sequence) !== null;
  }

  #begin(channel: number, asked: Message, clientId: string): void {
    const admission = admit(this.#grant, asked, this.#context.wallClock.now());
    if (admission === null) return; // Of an operation that has ended on our side.
    if (admission.kind === "refused")
      return this.#send(channel, { kind: "failed", ...admission.refusal });
    const { message } = admission;
    if (this.#operations.size >= CHANNELS_MAX) {
      return this.#send(channel, {
        kind: "failed",
        code: "ICACHE_OVERLOADED",
        reason: `a connection may have ${CHANNELS_MAX} operations under way`,
      });
    }
    if (!this.#isOurs(message, clientId)) {
      this.#context.counters.wrongEpochs++;
      return this.#send(channel, { kind: "wrongEpoch", epoch: this.#context.ring?.epoch ?? 0 });
    }
    switch (message.kind) {
      case "ping":
        return this.#send(channel, { kind: "pong", nonce: message.nonce });
      case "listen":
        return this.#listen(message);
      case "putOpen":
        return this.#run(
          channel,
          PutOperation.begin(message, this.#channel(channel, clientId), this.#context),
        );
      case "get":
        return this.#run(
          channel,
          GetOperation.begin(message, this.#channel(channel, clientId), this.#context),
        );
      case "repair":
        return this.#run(
          channel,
          RepairOperation.begin(message, this.#channel(channel, clientId), this.#context),
        );
      case "repairAsk":
        return this.#run(
          channel,
          RepairOrder.begin(this.#channel(channel, clientId), this.#context),
        );
      case "lease":
        return this.#run(
          channel,
          LeaseOperation.begin(message, this.#channel(channel, clientId), this.#context),
        );
      case "stat":
        return this.#stat(channel, message);
      case "remove":
        return this.#remove(channel, message, clientId);
      case "clear":
        return this.#clear(channel, message, clientId);
      case "list":
        return this.#list(channel, message);
      case "status":
        return this.#status(channel);
      default: // Of an operation that has ended on our side.
    }
  }

  /** Functions may dial this client from now on, or, without an address, no more. */
  #listen({ address, secret }: MessageOf<"listen">): void {
    const { clock, crypto, counters, directChunkBytesMin } = this.#context;
    const chunkBytesMin = this.#isLocal ? DIRECT_CHUNK_BYTES_MIN_LOCAL : directChunkBytesMin;
    const at = { address, secret, chunkBytesMin };
    this.#direct =
      address === ""
        ? null
        : new DirectPeers(this.#context.nextPeer(), at, { clock, crypto, counters });
  }

  #run(channel: number, operation: Operation | null): void {
    if (operation !== null) this.#operations.set(channel, operation);
  }

  #channel(channel: number, clientId: string): ClientChannel {
    const { connection } = this;
    return {
      clientId,
      direct: this.#direct,
      get queuedBytes() {
        return connection.queuedBytes;
      },
      send: (message, body, onSent) => this.#send(channel, message, body, onSent),
      end: () => {
        this.#operations.delete(channel);
        this.#closeIfDrained();
      },
    };
  }

  /** What was sent last still leaves. */
  #closeIfDrained(): void {
    if (this.#isDraining && this.#operations.size === 0)
      this.connection.close("the proxy is closing");
  }

  #stat(channel: number, message: MessageOf<"stat">): void {
    const found = this.#context.table.lookup(message.key as ObjectKey); // An odd key is simply absent.
    if (found.kind === "miss") return this.#send(channel, { kind: "miss", reason: found.reason });
    this.#send(channel, describe(found.object, this.#context.generation, 0, 0));
  }

  #remove(channel: number, message: MessageOf<"remove">, clientId: string): void {
    const { sequence } = message;
    const fault = keyFault(message.key);
    if (fault !== null)
      return this.#send(channel, { kind: "failed", code: "ICACHE_INVALID", reason: fault });
    const done = this.#context.outcomeOf(clientId, sequence);
    if (done?.kind === "remove")
      return this.#send(channel, { kind: "removed", existed: done.existed });
    const removal = durableOutcome(clientId, sequence, { kind: "remove", existed: true });
    const existed = this.#context.table.remove(message.key as ObjectKey, removal);
    this.#context.table.leases.changed(message.key, 0);
    this.#context.counters.removes++;
    this.#context.recordOutcome(clientId, sequence, { kind: "remove", existed });
    this.#send(channel, { kind: "removed", existed });
  }

  #clear(channel: number, message: MessageOf<"clear">, clientId: string): void {
    const done = this.#context.outcomeOf(clientId, message.sequence);
    if (done?.kind === "clear") return this.#send(channel, { kind: "cleared", count: done.count });
    const count = this.#context.table.clear(message.prefix, (cleared) =>
      durableOutcome(clientId, message.sequence, { kind: "clear", count: cleared }),
    );
    this.#context.table.leases.cleared(message.prefix);
    this.#context.recordOutcome(clientId, message.sequence, { kind: "clear", count });
    this.#send(channel, { kind: "cleared", count });
  }

  #list(channel: number, message: MessageOf<"list">): void {
    const limit = Math.min(LISTING_ROWS_MAX, Math.max(1, message.limit));
    const page = this.#context.table.list(message.prefix, message.after, limit);
    const rows: MessageOf<"listing">["objects"][number][] = [];
    let keyBytes = 0;
    for (const { key, layout, version, createdAtMs, expiresAtMs } of page.objects) {
      keyBytes += 3 * key.length + 34; // At most three bytes a UTF-16 unit, and the other fields.
      if (keyBytes > LISTING_KEY_BYTES_MAX && rows.length > 0) break;
      rows.push({ key, bytes: layout.bytes, version, createdAtMs, expiresAtMs });
    }
    this.#send(channel, {
      kind: "listing",
      objects: rows,
      isLast: page.isLast && rows.length === page.objects.length,
    });
  }

  #status(channel: number): void {
    const json = this.#context.statusJson();
    for (let from = 0; from < json.length; from += STATUS_PIECE) {
      const isLast = from + STATUS_PIECE >= json.length;
      this.#send(channel, {
        kind: "statusReport",
        json: json.slice(from, from + STATUS_PIECE),
        isLast,
      });
    }
  }

  #refuse(code: string, reason: string): void {
    this.#send(0, { kind: "refused", code, reason });
    this.connection.close(reason);
  }

  #send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): void {
    this.connection.send({ channel, term: 0, invocation: 0 }, message, body, onSent);
  }
}
