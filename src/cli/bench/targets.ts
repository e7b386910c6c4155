// The caches that a benchmark can drive, behind one interface: this one through its library, others by the raw
// protocol over a socket, so that what is measured is the server and not some client library.

import type { Cache } from "../../client/api.ts";
import type { CodeSpec } from "../../core/code.ts";
import { HttpClient } from "../../host/http-client.ts";
import { RawSocket } from "../../host/raw-socket.ts";
import { CommandError } from "../exit-codes.ts";

/** One worker's way to the target: one operation at a time. */
export interface TargetClient {
  put(key: string, body: Uint8Array): Promise<void>;
  /** The bytes, valid until the next call; null when they are not there. */
  get(key: string): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

/** A target that can be left as it was found. */
export interface CleanTarget extends TargetClient {
  /** It may not be there. */
  remove(key: string): Promise<void>;
}

/** The names that --target takes, with where each listens by default. */
export const TARGET_ADDRESSES: Readonly<Record<string, string>> = {
  infinicache: "127.0.0.1:6370",
  redis: "127.0.0.1:6379",
  memcached: "127.0.0.1:11211",
  http: "127.0.0.1:6373",
};

/** The library over one connection that all workers share: it is made for that. */
export function cacheTarget(cache: Cache, code: CodeSpec | null): CleanTarget {
  let memory: Uint8Array = new Uint8Array(0);
  return {
    async put(key, body) {
      await cache.put(key, body, code === null ? {} : { code });
    },
    async get(key) {
      // Memory is used again, as the targets below do: else half the time goes to fresh pages.
      if (memory.length === 0) {
        const first = await cache.get(key);
        if (first.kind === "miss") return null;
        memory = first.bytes;
        return memory;
      }
      try {
        const found = await cache.getInto(key, memory);
        return found.kind === "miss" ? null : memory.subarray(0, found.bytes);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ICACHE_TOO_LARGE"))
          throw error;
        memory = new Uint8Array(0);
        return this.get(key);
      }
    },
    async remove(key) {
      await cache.delete(key);
    },
    async close() {},
  };
}

/** SET, GET and DEL in RESP2. */
export async function redisTarget(host: string, port: number): Promise<CleanTarget> {
  const socket = await RawSocket.open(host, port);
  let memory = new Uint8Array(0);
  const end = new Uint8Array(2);
  return {
    async put(key, body) {
      socket.write(
        `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${body.length}\r\n`,
        body,
        "\r\n",
      );
      const answer = await socket.readLine();
      if (answer !== "+OK") throw refusal(`SET was answered by ${answer}`);
    },
    async get(key) {
      socket.write(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
      const answer = await socket.readLine();
      if (answer === "$-1") return null;
      if (!answer.startsWith("$")) throw refusal(`GET was answered by ${answer}`);
      memory = withRoom(memory, Number(answer.slice(1)));
      const found = memory.subarray(0, Number(answer.slice(1)));
      await socket.readInto(found);
      await socket.readInto(end);
      return found;
    },
    async remove(key) {
      socket.write(`*2\r\n$3\r\nDEL\r\n$${key.length}\r\n${key}\r\n`);
      const answer = await socket.readLine();
      if (!answer.startsWith(":")) throw refusal(`DEL was answered by ${answer}`);
    },
    async close() {
      socket.close();
    },
  };
}

/** set, get and delete in memcached's text protocol. */
export async function memcachedTarget(host: string, port: number): Promise<CleanTarget> {
  const socket = await RawSocket.open(host, port);
  let memory = new Uint8Array(0);
  const end = new Uint8Array(2);
  return {
    async put(key, body) {
      socket.write(`set ${key} 0 0 ${body.length}\r\n`, body, "\r\n");
      const answer = await socket.readLine();
      if (answer !== "STORED") throw refusal(`set was answered by ${answer} (see memcached -I)`);
    },
    async get(key) {
      socket.write(`get ${key}\r\n`);
      const answer = await socket.readLine();
      if (answer === "END") return null;
      const bytes = Number(/^VALUE \S+ \d+ (\d+)/.exec(answer)?.[1] ?? Number.NaN);
      if (!Number.isSafeInteger(bytes)) throw refusal(`get was answered by ${answer}`);
      memory = withRoom(memory, bytes);
      const found = memory.subarray(0, bytes);
      await socket.readInto(found);
      await socket.readInto(end);
      if ((await socket.readLine()) !== "END") throw refusal("get was not ended");
      return found;
    },
    async remove(key) {
      socket.write(`delete ${key}\r\n`);
      const answer = await socket.readLine();
      if (answer !== "DELETED" && answer !== "NOT_FOUND")
        throw refusal(`delete was answered by ${answer}`);
    },
    async close() {
      socket.close();
    },
  };
}

/** PUT, GET and DELETE of /objects/bench/KEY. */
export function httpTarget(host: string, port: number): CleanTarget {
  const http = new HttpClient({ socketsMax: 1 });
  const url = (key: string) => `http://${host}:${port}/objects/bench/${key}`;
  return {
    async put(key, body) {
      const { status } = await http.send("PUT", url(key), body);
      if (status < 200 || status > 299) throw refusal(`PUT was answered by ${status}`);
    },
    async get(key) {
      const { status, body } = await http.send("GET", url(key));
      if (status === 404) return null;
      if (status !== 200) throw refusal(`GET was answered by ${status}`);
      return body;
    },
    async remove(key) {
      const { status } = await http.send("DELETE", url(key));
      if (status !== 404 && (status < 200 || status > 299))
        throw refusal(`DELETE was answered by ${status}`);
    },
    async close() {
      http.close();
    },
  };
}

function withRoom(memory: Uint8Array<ArrayBuffer>, bytes: number): Uint8Array<ArrayBuffer> {
  return memory.length >= bytes ? memory : new Uint8Array(bytes);
}

/** The target has answered, and not as its protocol would have it, or that it will not do it. */
function refusal(message: string): CommandError {
  return new CommandError("refused", message);
}
