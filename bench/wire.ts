/**
 * How fast do chunks' parts travel between two processes on loopback, and what does it cost?
 *
 *   node tools/node bench/wire.ts [--gigabytes N] [--rounds N] [--json]
 *
 * Parts of 1 MiB over one TcpConnection, one direction at a time, rounds of all ways interleaved. The receiver is this
 * process: on an accepted socket in place, on an accepted socket by `data` events, and on a socket that dialled.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { TcpDialer } from "../src/host/tcp-dialer.ts";
import { listenTcp } from "../src/host/tcp-listener.ts";
import type { Connection, ConnectionHandler } from "../src/wire/connection.ts";
import type { Message } from "../src/wire/messages.ts";

const PART_BYTES = 1_048_576;
const PART_COUNT_QUEUED_MAX = 32;
const ENVELOPE = { channel: 1, term: 0, invocation: 0 };
const WELCOME: Message = {
  kind: "welcome",
  generation: 0,
  term: 0,
  epoch: 0,
  poolNodes: 0,
  codeRules: [],
};

const { values: flags } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "4" },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
    // What the second process is started with.
    dial: { type: "string" },
    listen: { type: "boolean", default: false },
  },
});

interface Run {
  readonly gigabytesPerSecond: number;
  readonly receiverCpuPerGigabyte: number;
  readonly senderCpuPerGigabyte: number;
}

/** Sends as many parts as each ping's nonce asks for, then a pong with the microseconds of CPU it took. */
function serve(connection: Connection): void {
  const part = new Uint8Array(PART_BYTES).fill(7);
  connection.setHandler({
    bodyPlace: () => null,
    onClose: () => process.exit(0),
    onMessage: (_envelope, message) => {
      if (message.kind !== "ping") return;
      const cpu = process.cpuUsage();
      let rest = message.nonce;
      const send = (): void => {
        if (rest === 0) return;
        rest -= 1;
        const data = { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 } as const;
        connection.send(ENVELOPE, data, part, send);
        if (rest > 0) return;
        const { user, system } = process.cpuUsage(cpu);
        connection.send(ENVELOPE, { kind: "pong", nonce: user + system });
      };
      for (let queued = 0; queued < PART_COUNT_QUEUED_MAX; queued++) send();
    },
  });
}

/** Asks the other side for parts and measures. */
class Receiver implements ConnectionHandler {
  readonly connection: Connection;
  // Eight places by turns: a chunk's part is not overwritten at once in real life either.
  readonly #places = Array.from({ length: 8 }, () => new Uint8Array(PART_BYTES).fill(1));
  #count = 0;
  #done: (senderCpu: number) => void = () => {};

  constructor(connection: Connection) {
    this.connection = connection;
    connection.setHandler(this);
  }

  bodyPlace(): Uint8Array {
    return this.#places[this.#count++ % this.#places.length]!;
  }

  onMessage(_envelope: unknown, message: Message): void {
    if (message.kind === "pong") this.#done(message.nonce);
  }

  onClose(): void {}

  async run(partCount: number): Promise<Run> {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    const senderCpu = await new Promise<number>((resolve) => {
      this.#done = resolve;
      this.connection.send(ENVELOPE, { kind: "ping", nonce: partCount });
    });
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    const gigabytes = (partCount * PART_BYTES) / 1e9;
    return {
      gigabytesPerSecond: gigabytes / seconds,
      receiverCpuPerGigabyte: (user + system) / 1e6 / gigabytes,
      senderCpuPerGigabyte: senderCpu / 1e6 / gigabytes,
    };
  }
}

function startOther(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [import.meta.filename, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function dialTo(address: string): Promise<Connection> {
  return new Promise((resolve, reject) => {
    new TcpDialer().dial(address, 5_000, (connection, reason) => {
      if (connection === null) reject(new Error(reason));
      else resolve(connection);
    });
  });
}

async function acceptedReceiver(isInPlace: boolean): Promise<Receiver> {
  return new Promise((resolve, reject) => {
    const onConnection = (connection: Connection): void => {
      connection.send(ENVELOPE, WELCOME);
      resolve(new Receiver(connection));
    };
    listenTcp({ host: "127.0.0.1", port: 0, peer: "client", isInPlace, onConnection }).then(
      ({ address }) => startOther(["--dial", address]),
      reject,
    );
  });
}

async function dialledReceiver(): Promise<Receiver> {
  const child = startOther(["--listen"]);
  const address = await new Promise<string>((resolve) => {
    child.stdout?.once("data", (line: Buffer) => resolve(line.toString().trim()));
  });
  const connection = await dialTo(address);
  return new Receiver(connection);
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[sorted.length >>> 1] ?? 0;
  return `${middle.toFixed(2)} (${sorted[0]?.toFixed(2)}–${sorted.at(-1)?.toFixed(2)})`;
}

async function main(): Promise<void> {
  const ways = [
    ["accepted, in place", await acceptedReceiver(true)],
    ["accepted, data events", await acceptedReceiver(false)],
    ["dialled, in place", await dialledReceiver()],
  ] as const;
  const partCount = Math.ceil((Number(flags.gigabytes) * 1e9) / PART_BYTES);
  for (const [, receiver] of ways) await receiver.run(Math.min(partCount, 500));
  const results = new Map<string, Run[]>(ways.map(([name]) => [name, []]));
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [name, receiver] of ways) results.get(name)?.push(await receiver.run(partCount));
  }
  if (flags.json) console.log(JSON.stringify(Object.fromEntries(results)));
  else {
    const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}`;
    console.log(
      `${machine}; ${flags.rounds} rounds of ${flags.gigabytes} GB, median (least–most)\n`,
    );
    console.log("| receiver | GB/s | receiver CPU-s per GB | sender CPU-s per GB |");
    console.log("|---|---|---|---|");
    for (const [name, runs] of results) {
      const cells = [
        spread(runs.map((run) => run.gigabytesPerSecond)),
        spread(runs.map((run) => run.receiverCpuPerGigabyte)),
        spread(runs.map((run) => run.senderCpuPerGigabyte)),
      ];
      console.log(`| ${[name, ...cells].join(" | ")} |`);
    }
  }
  // The other processes end with their connections.
  process.exit(0);
}

if (flags.dial !== undefined) serve(await dialTo(flags.dial));
else if (flags.listen) {
  const { address } = await listenTcp({
    host: "127.0.0.1",
    port: 0,
    peer: "client",
    onConnection: (connection) => {
      connection.send(ENVELOPE, WELCOME);
      serve(connection);
    },
  });
  console.log(address);
} else await main();
