// A thread that sends a PING by RESP fifty times a second and writes down how long each answer took. A thread of its own,
// so that it measures the proxy and not the event loop of the suite. One without an answer ends it.

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

const PAUSE_MS = 20;
const ANSWER_MS_MAX = 10_000;

const { host, port } = workerData as { readonly host: string; readonly port: number };
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
  if (!(await Promise.race([answered, sleep(ANSWER_MS_MAX, false, { ref: false })])))
    throw new Error(`no PONG within ${ANSWER_MS_MAX} ms`);
  times.push(performance.now() - startedAt);
  await sleep(PAUSE_MS);
}
socket.destroy();
parentPort?.postMessage(times);
