// The fault proxy itself: a process that has used it can end. What it does wrong would be blamed on the product.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { FaultProxy } from "../support/fault-proxy.ts";
import { until } from "../support/pool.ts";

test("fault proxy: a link cut in the moment of its end leaves no connection open", async (context) => {
  const server = createServer();
  context.after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  assert(typeof bound === "object" && bound !== null);
  const proxy = await FaultProxy.open(`127.0.0.1:${bound.port}`);
  context.after(() => proxy.close());
  server.on("connection", (far: Socket) => far.resume().on("error", () => {}));
  const before = countSockets();
  // Asked when the dialling side has ended: the cut comes after the end is passed on, and before it is sent.
  proxy.treat((link) => {
    const cut = () => link.cut();
    process.nextTick(() => process.nextTick(() => process.nextTick(cut)));
    return {};
  });
  const near = connect({ host: "127.0.0.1", port: Number(proxy.address.split(":").at(-1)) });
  near.resume();
  near.on("error", () => {}); // The reset that is meant to come.
  near.end();
  await new Promise<void>((done) => near.on("close", () => done()));
  await until("both ends are gone", 5_000, () => proxy.links.length === 0);
  await until("no connection is open", 5_000, () => countSockets() === before);
});

function countSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}
