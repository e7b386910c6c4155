// A thread that sends a PING by RESP every `pauseMs` and writes down how long each answer took. A thread of its own, so that
// it measures the proxy and not the event loop of whoever moves data beside it. One without an answer within `msMax` ends it.

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

/** What its maker hands it. */
interface PingPlan {
  readonly host: string;
  readonly port: number;
  readonly pauseMs: number;
  readonly msMax: number;
}

const { host, port, pauseMs, msMax } = workerData as PingPlan; // Its makers give just that.
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
  await sleep(pauseMs);
}
socket.destroy();
parentPort?.postMessage(times);
