// The suite `floor`: what must a GET of 100 MB cost where ten processes hold it, on this machine? Bare sockets carry the
// bytes of ten sources into one buffer of this process, straight or through a relay in a process of its own: no
// protocol, no checksum, no parity, every byte of memory touched before. What `speed` shows beside it is what the
// cache adds; a bar below this is out of reach on this machine.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect as dial, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { formatTable } from "../src/cli/terminal.ts";
import { formatBytes, formatMs } from "../src/cli/units.ts";
import { describeMachine } from "./report.ts";
import { median } from "./speed-bars.ts";

/** What can be chosen. */
export interface FloorOptions {
  readonly rounds: number;
  readonly note: (line: string) => void;
}

/** One way, over all rounds. */
export interface FloorRow {
  readonly way: "one hop" | "two hops";
  readonly bytes: number;
  readonly ms: readonly number[];
  /** CPU-seconds for 10^9 bytes. */
  readonly reader: number;
  readonly relay: number;
  readonly sources: number;
}

/** What the suite writes. */
export interface FloorReport {
  readonly suite: "floor";
  readonly at: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rows: readonly FloorRow[];
}

const SOURCES = 10;
const BYTES = 100_000_000;
const READS_PER_ROUND = 10;

/** Runs the suite. */
export async function floor({ rounds, note }: FloorOptions): Promise<FloorReport> {
  const rows: FloorRow[] = [];
  for (const way of ["one hop", "two hops"] as const) {
    note(`${way} …`);
    rows.push(await measure(way, rounds * READS_PER_ROUND));
  }
  return { suite: "floor", at: new Date().toISOString(), machine: describeMachine(), rows };
}

/** Both ways, with the CPU that each role needs. */
export function floorTable({ rows }: FloorReport): string {
  const lines = rows.map(({ way, bytes, ms, reader, relay, sources }) => [
    formatBytes(bytes),
    way,
    ...[Math.min(...ms), median(ms), Math.max(...ms)].map(formatMs),
    ...[reader, relay, sources, reader + relay + sources].map((each) => each.toFixed(2)),
  ]);
  const header = ["size", "way", "min", "median", "max", "reader", "relay", "sources", "CPU s/GB"];
  return formatTable(header, lines, [0, 2, 3, 4, 5, 6, 7, 8]);
}

async function measure(way: FloorRow["way"], reads: number): Promise<FloorRow> {
  const sources = await Promise.all(
    Array.from({ length: SOURCES }, () => Bare.start("source", String(BYTES / SOURCES))),
  );
  const ports = sources.map(({ port }) => port);
  const relay = way === "one hop" ? null : await Bare.start("relay", ports.join(","));
  const reader = new Reader(relay === null ? ports : [relay.port]);
  await reader.connected;
  await reader.read();
  const before = process.cpuUsage();
  const ms: number[] = [];
  for (let count = 0; count < reads; count++) {
    const startedAt = performance.now();
    await reader.read();
    ms.push(performance.now() - startedAt);
  }
  const { user, system } = process.cpuUsage(before);
  reader.close();
  const perGb = (us: number, count: number): number => us / 1_000 / ((count * BYTES) / 1e6);
  const ofSources = await Promise.all(sources.map((source) => source.end()));
  const all = ofSources.reduce((sum, us) => sum + us, 0);
  const ofRelay = relay === null ? 0 : await relay.end();
  return {
    ...{ way, bytes: BYTES, ms: ms.map((each) => Math.round(each * 100) / 100) },
    reader: perGb(user + system, reads),
    // They count the first read, too.
    relay: perGb(ofRelay, reads + 1),
    sources: perGb(all, reads + 1),
  };
}

/** A process of `floor-process.ts`. */
class Bare {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  private constructor(child: ChildProcess, lines: Interface, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  static async start(role: "source" | "relay", what: string): Promise<Bare> {
    const file = join(import.meta.dirname, "floor-process.ts");
    const args = ["--disable-warning=ExperimentalWarning", file, role, what];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    const [port] = (await once(lines, "line")) as [string];
    return new Bare(child, lines, Number(port));
  }

  /** Ends it; the CPU it has used, in microseconds. */
  async end(): Promise<number> {
    const told = once(this.#lines, "line") as Promise<[string]>;
    this.#child.stdin?.end();
    return Number((await told)[0]);
  }
}

/** Reads all that the ports send into one buffer, each its own share of it. */
class Reader {
  readonly connected: Promise<unknown>;
  readonly #sockets: readonly Socket[];
  readonly #memory = new Uint8Array(BYTES).fill(1);
  #missing = 0;
  #done: () => void = () => {};

  constructor(ports: readonly number[]) {
    const share = BYTES / ports.length;
    this.#sockets = ports.map((port, index) => {
      let at = 0;
      const place = this.#memory.subarray(index * share, (index + 1) * share);
      const onread = {
        buffer: () => place.subarray(at),
        callback: (count: number) => {
          at = (at + count) % share;
          this.#missing -= count;
          if (this.#missing === 0) this.#done();
          return true;
        },
      };
      return dial({ host: "127.0.0.1", port, noDelay: true, onread });
    });
    this.connected = Promise.all(this.#sockets.map((socket) => once(socket, "connect")));
  }

  read(): Promise<void> {
    this.#missing = BYTES;
    return new Promise((done) => {
      this.#done = done;
      for (const socket of this.#sockets) socket.write("x");
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
