// A thread that sends a PING by RESP ten times a second and writes down how long each answer took. A thread of its own,
// so that it measures the proxy and not the event loop of the test that moves data beside it.

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

const PAUSE_MS = 100;

const { host, port, msMax } = workerData as { host: string; port: number; msMax: number };
const socket = connect(port, host);
socket.setNoDelay(true);
const times: number[] = [];
let isOver = false;
parentPort?.once("message", () => {
  isOver = true;
});

while (!isOver) {
  const startedAt = performance.now();
  const answered = new Promise<boolean>((done) => socket.once("data", () => done(true)));
  socket.write("PING\r\n");
  const isAnswered = await Promise.race([answered, sleep(msMax, false, { ref: false })]);
  if (!isAnswered) throw new Error(`no PONG within ${msMax} ms`);
  times.push(performance.now() - startedAt);
  await sleep(PAUSE_MS);
}
socket.destroy();
parentPort?.postMessage(times);
