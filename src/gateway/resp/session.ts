// One connection of the Redis door: takes commands from the parser, runs them in their order, and hands replies to the
// writer. Reads run ahead, changes wait for all before them. It knows no TCP: a ByteSocket is handed in.

import { EVERYTHING, isExpired } from "../../core/access.ts";
import { AssertionError } from "../../core/assert.ts";
import { CacheError } from "../../core/errors.ts";
import type { ByteBudget } from "../budget.ts";
import type { ByteSocket } from "../byte-socket.ts";
import { Gone } from "../gone.ts";
import { BODY_PACE, Pace } from "../pace.ts";
import { LATE, within } from "../waiting.ts";
import { BulkBody } from "./bulk-body.ts";
import {
  type Argument,
  type CommandContext,
  type CommandRow,
  type ConnectionState,
  ReplyError,
  type ServerContext,
  word,
} from "./command.ts";
import { type RespEvent, RespParser } from "./parser.ts";
import { refusalOfCommand } from "./permission.ts";
import { error, type Reply } from "./reply.ts";
import { findCommand } from "./table.ts";
import { ReplyWriter } from "./writer.ts";

/** A command must be complete so long after its first byte (bodies of large values have a pace instead). */
const COMMAND_MS_MAX = 30_000;
/** Whole arguments up to this are not charged to the budget that all connections share. */
const UNCHARGED_BYTES = 256 * 1_024;

type Opened = Extract<RespEvent, { kind: "open" }>;

const NO_ROOM: Reply = error(
  "ERR ICACHE_OVERLOADED no memory to hold a value until the options behind it are known; use SETEX or PSETEX, which stream",
);

/** Serves one connection until it ends. */
export class RespSession {
  readonly #server: ServerContext;
  readonly #socket: ByteSocket;
  readonly #budget: ByteBudget;
  readonly #parser: RespParser;
  readonly #writer: ReplyWriter;
  readonly #state: ConnectionState;
  readonly #context: CommandContext;
  readonly #gone = new Gone();
  #chargedBytes = 0;
  #pace: Pace | null = null;
  #commandStartedAt: number | null = null;

  constructor(
    server: ServerContext,
    connection: {
      readonly socket: ByteSocket;
      readonly id: number;
      readonly address: string;
      readonly budget: ByteBudget;
      readonly bulkBytesMax: number;
    },
  ) {
    const { socket, id, address, budget, bulkBytesMax } = connection;
    const grant = server.access === null ? EVERYTHING : null;
    this.#server = server;
    this.#socket = socket;
    this.#budget = budget;
    this.#parser = new RespParser({ bulkBytesMax, isTrusted: grant !== null });
    this.#writer = new ReplyWriter(socket, server.clock);
    const texts = { name: "", library: "", libraryVersion: "" };
    this.#state = { id, address, protocol: 2, grant, isEnding: false, ...texts };
    const reading = { cache: server.cache, clock: server.clock, gone: this.#gone };
    this.#context = { server, connection: this.#state, reading };
  }

  /** Resolves when the connection has ended and nothing of it is left. */
  async run(): Promise<void> {
    while (!this.#state.isEnding && (await this.#step()));
    while (!this.#writer.isIdle && !this.#socket.isClosed) await this.#writer.changed();
    this.#socket.end();
    this.#gone.abort();
    this.#budget.give(this.#chargedBytes);
    this.#chargedBytes = 0;
  }

  /** The connection is gone: what is under way for it is aborted. */
  lost(): void {
    this.#gone.abort();
  }

  /** Answers what has come whole, then ends. */
  finish(): void {
    this.#state.isEnding = true;
    if (!this.#parser.isMidway) this.#socket.stopReading();
  }

  /** One command; false when there is no next one. */
  async #step(): Promise<boolean> {
    const event = await this.#event();
    if (event === null) return false;
    if (event.kind === "command") return await this.#command(event.args);
    if (event.kind === "open") return await this.#largeCommand(event);
    if (event.kind === "fault") this.#push(error(event.text));
    return false;
  }

  /** The next event of the parser, or null when the connection ends or is too slow. */
  async #event(): Promise<RespEvent | null> {
    for (;;) {
      const event = this.#parser.next();
      if (event !== null) {
        if (event.kind === "command") this.#commandStartedAt = null;
        return event;
      }
      if (!this.#charge()) return null;
      const bytes = await this.#read();
      if (bytes === null) return null;
      this.#parser.push(bytes);
    }
  }

  async #read(): Promise<Uint8Array | null> {
    const { clock } = this.#server;
    const startedAt = clock.now();
    if (this.#pace !== null) {
      const bytes = await within(clock, this.#pace.patienceMs, this.#socket.read());
      if (bytes === LATE || bytes === null) return this.#giveUp();
      this.#pace.moved(bytes.length, clock.now() - startedAt);
      return bytes;
    }
    if (!this.#parser.isMidway) {
      this.#commandStartedAt = null;
      return await this.#socket.read();
    }
    this.#commandStartedAt ??= startedAt;
    const restMs = this.#commandStartedAt + COMMAND_MS_MAX - startedAt;
    const bytes = await within(clock, Math.max(1, restMs), this.#socket.read());
    return bytes === LATE ? this.#giveUp() : bytes;
  }

  #giveUp(): null {
    this.#socket.destroy();
    return null;
  }

  /** Charges what the parser holds to the budget of all connections; over it, this one ends. */
  #charge(): boolean {
    const held = Math.max(0, this.#parser.heldBytes - UNCHARGED_BYTES);
    if (held > this.#chargedBytes && !this.#budget.take(held - this.#chargedBytes)) {
      this.#push(error("ERR ICACHE_OVERLOADED no memory for a command of this size"));
      return false;
    }
    if (held < this.#chargedBytes) this.#budget.give(this.#chargedBytes - held);
    this.#chargedBytes = held;
    return true;
  }

  /** Runs a command whose arguments are all here. */
  async #command(
    args: readonly (Uint8Array | null)[],
    large?: readonly Argument[],
  ): Promise<boolean> {
    const rest = large?.values();
    const whole = args.map((argument) => argument ?? rest?.next().value ?? new Uint8Array(0));
    const name = word(whole[0]).toLowerCase();
    // Someone's browser was made to speak to us: no answer that a page could use.
    if (name === "post" || name === "host:") return false;
    const row = this.#find(args, args.length);
    this.#server.counters.commands += 1;
    while (!this.#writer.hasRoom) await this.#writer.changed();
    if (typeof row === "string") return this.#push(error(row));
    if (row.access === "read") {
      while (!this.#writer.hasReadRoom) await this.#writer.changed();
      this.#writer.pushRead(() => this.#execute(row, whole), this.#state.protocol);
      return true;
    }
    if (row.access === "write") await this.#settled();
    const reply = await this.#execute(row, whole);
    this.#parser.isTrusted = this.#state.grant !== null;
    return this.#push(reply);
  }

  /** The row of a command that may run, or the text of the error. A grant that has expired is gone. */
  #find(args: readonly (Uint8Array | null)[], count: number): CommandRow | string {
    const { grant } = this.#state;
    if (grant !== null && isExpired(grant, this.#server.wallClock.now())) {
      this.#state.grant = null;
      this.#parser.isTrusted = false;
    }
    const row = findCommand(args, count, this.#state.grant !== null);
    if (typeof row === "string") return row;
    return refusalOfCommand(this.#context, row, args) ?? row;
  }

  /** Runs a command one of whose arguments is large and has just begun. */
  async #largeCommand(opened: Opened): Promise<boolean> {
    const { args, argumentCount } = opened;
    const isNamed = opened.args.length > 0;
    const row = this.#find(isNamed ? args : [new Uint8Array(0)], argumentCount);
    if (typeof row === "string") return await this.#discard(error(row), opened);
    if (row.streamedArgument?.(argumentCount) === args.length) {
      return await this.#stream(row, opened);
    }
    return await this.#hold(opened);
  }

  /** Hands the large argument on as it arrives. It is the command's last one. */
  async #stream(row: CommandRow, opened: Opened): Promise<boolean> {
    await this.#settled();
    this.#server.counters.commands += 1;
    const body = this.#body();
    const large: Argument = { kind: "large", bytes: opened.bytes, body };
    const whole = opened.args.map((argument) => argument ?? new Uint8Array(0));
    const reply = await this.#execute(row, [...whole, large]);
    const isWhole = await body.drain();
    this.#pace = null;
    if (!isWhole) return false;
    const end = await this.#event();
    return end?.kind === "command" && this.#push(reply);
  }

  /** Keeps large arguments, in the parts in which they came, until the command is complete. */
  async #hold(first: Opened): Promise<boolean> {
    const values: Argument[] = [];
    let heldBytes = 0;
    try {
      for (let event: RespEvent | null = first; event !== null; event = await this.#event()) {
        if (event.kind === "command") {
          const isOpen = await this.#command(event.args, values);
          // A read or a change may still use them.
          await this.#settled();
          return isOpen;
        }
        if (event.kind !== "open") {
          this.#push(error(event.kind === "fault" ? event.text : "ERR Protocol error"));
          return false;
        }
        if (!this.#budget.take(event.bytes)) return await this.#discard(NO_ROOM, event);
        heldBytes += event.bytes;
        const parts: Uint8Array[] = [];
        const body = this.#body();
        for (;;) {
          const part = await this.#partOf(body);
          if (part === null) break;
          parts.push(part);
        }
        const isWhole = await body.drain();
        this.#pace = null;
        if (!isWhole) return false;
        values.push({ kind: "large", bytes: event.bytes, body: replay(parts) });
      }
      return false;
    } finally {
      this.#budget.give(heldBytes);
    }
  }

  /** Reads the command to its end, so that the next one is found, and answers. */
  async #discard(reply: Reply, first: Opened): Promise<boolean> {
    for (let event: RespEvent | null = first; event !== null; event = await this.#event()) {
      if (event.kind === "command") return this.#push(reply);
      if (event.kind === "fault") {
        this.#push(error(event.text));
        return false;
      }
      if (event.kind !== "open") continue;
      const isWhole = await this.#body().drain();
      this.#pace = null;
      if (!isWhole) return false;
    }
    return false;
  }

  /** The body that has just been opened. */
  #body(): BulkBody {
    this.#pace = new Pace(BODY_PACE);
    return new BulkBody(async () => {
      const event = await this.#event();
      if (event?.kind === "part") return event.bytes;
      if (event?.kind === "close") return null;
      if (event?.kind === "fault") this.#push(error(event.text));
      return "lost";
    });
  }

  async #partOf(body: BulkBody): Promise<Uint8Array | null> {
    try {
      const part = await body[Symbol.asyncIterator]().next();
      return part.done === true ? null : part.value;
    } catch {
      return null;
    }
  }

  async #settled(): Promise<void> {
    while (!this.#writer.isSettled) await this.#writer.changed();
  }

  /** Always true, so that a step can end with it. */
  #push(reply: Reply): true {
    this.#writer.push(reply, this.#state.protocol);
    return true;
  }

  async #execute(row: CommandRow, args: readonly Argument[]): Promise<Reply> {
    try {
      return await row.run(this.#context, args);
    } catch (thrown) {
      return error(errorText(thrown));
    }
  }
}

/** The text of what a handler threw. Broken invariants go on to the edge of the process. */
function errorText(thrown: unknown): string {
  if (thrown instanceof ReplyError) return thrown.message;
  if (thrown instanceof AssertionError)
    queueMicrotask(() => {
      throw thrown;
    });
  if (!(thrown instanceof CacheError)) return "ERR ICACHE_INTERNAL a fault of the server";
  return `${thrown.code === "ICACHE_DENIED" ? "NOPERM" : "ERR"} ${thrown.code} ${thrown.message}`;
}

async function* replay(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* parts;
}
