// The benchmarks' raw socket against a server that cuts its answer into pieces of every size: lines and bodies come
// back whole and in order, wherever the cuts fall. One server, closed at the end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { RawSocket } from "../../../src/host/raw-socket.ts";

test("raw socket: lines and bodies are whole and in order, however they are cut on the way", async () => {
  const body = Buffer.alloc(200_000, "abcdefghijklmnopqrstuvwxyz0123456789");
  const answer = Buffer.concat([Buffer.from("first\r\n"), body, Buffer.from("\r\nlast\r\n")]);
  for (const pieceBytes of [7, 70_000, 1_000_000]) {
    const server = createServer((socket) => {
      socket.once("data", () => void sendCut(socket, answer, pieceBytes));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert(address !== null && typeof address === "object");
    const socket = await RawSocket.open("127.0.0.1", address.port);
    socket.write("go\r\n");
    assert.equal(await socket.readLine(), "first");
    const into = new Uint8Array(body.length);
    await socket.readInto(into);
    assert(Buffer.compare(into, body) === 0, `cut into pieces of ${pieceBytes}`);
    await socket.readInto(new Uint8Array(2));
    assert.equal(await socket.readLine(), "last");
    const closed = socket.readLine();
    server.close();
    socket.close();
    await assert.rejects(closed, /closed/);
  }
});

/** The smallest pieces only where they matter: around the edges of line and body. */
async function sendCut(socket: Socket, answer: Buffer, pieceBytes: number): Promise<void> {
  const [first, last] = [20, answer.length - 20];
  let at = 0;
  for (const until of [first, last, answer.length]) {
    const step = until === last ? Math.max(pieceBytes, 5_000) : pieceBytes;
    for (; at < until; at += Math.min(step, until - at)) {
      socket.write(answer.subarray(at, Math.min(until, at + step)));
      await turn();
    }
  }
}
