// When the proxy has functions dial a client, when it uses their connections, and when it leaves them alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { instanceId, nodeIndex } from "../../../src/core/ids.ts";
import { NodeCrypto } from "../../../src/host/node-crypto.ts";
import { createCounters } from "../../../src/proxy/counters.ts";
import {
  DirectPeers,
  PAUSE_MS_MAX,
  PAUSE_MS_MIN,
  SCOUTS_MAX,
} from "../../../src/proxy/direct-peers.ts";
import type { Exchange } from "../../../src/proxy/exchange.ts";
import type { NodeLink } from "../../../src/proxy/node-link.ts";
import { VirtualClock } from "./virtual-clock.ts";

const A = instanceId("a".repeat(32));
const B = instanceId("b".repeat(32));

function world(nodes = 4) {
  const clock = new VirtualClock();
  const counters = createCounters();
  const at = { address: "client:1", secret: new Uint8Array(32), chunkBytesMin: 1 };
  const peers = new DirectPeers(1, at, { clock, crypto: new NodeCrypto(), counters });
  const links = Array.from({ length: nodes }, (_, node) => {
    const dials: Exchange[] = [];
    return {
      ...{ node: nodeIndex(node), awakeInstance: A as string | null, dials },
      open: (exchange: Exchange) => void dials.push(exchange),
      send: () => {},
      finish: () => {},
    };
  });
  // Proof of the cast: these are the members that are used.
  const linkOf = (node: number): NodeLink => links[node] as unknown as NodeLink;
  const answer = (node: number, isUp: boolean): void =>
    links[node]?.dials.at(-1)?.onMessage({ kind: "directState", isUp }, null);
  return { clock, counters, peers, links, linkOf, answer };
}

test("peers: the first transfer goes through the proxy and has a connection made; the next goes by it", () => {
  const { peers, links, linkOf, answer } = world();
  assert.equal(peers.upTo(linkOf(0)), null);
  assert.equal(peers.upTo(linkOf(0)), null);
  assert.equal(links[0]?.dials.length, 1, "dialled once");
  answer(0, true);
  assert.equal(peers.upTo(linkOf(0)), A);
  links[0]!.awakeInstance = null;
  assert.equal(peers.upTo(linkOf(0)), A, "asleep, it keeps its connection");
  links[0]!.awakeInstance = B;
  assert.equal(peers.upTo(linkOf(0)), null, "another instance has none");
  assert.equal(links[0]?.dials.length, 2);
});

test("peers: a client that nobody has reached costs few attempts, ever more rarely", () => {
  const { clock, peers, links, linkOf, answer } = world();
  const round = (): number[] => {
    for (const { node } of links) peers.upTo(linkOf(node));
    return links.map(({ dials }) => dials.length);
  };
  assert.equal(
    round().reduce((a, b) => a + b),
    SCOUTS_MAX,
  );
  answer(0, false);
  answer(1, false);
  assert.equal(
    round().reduce((a, b) => a + b),
    SCOUTS_MAX,
    "all wait",
  );
  clock.advance(PAUSE_MS_MIN);
  assert.equal(
    round().reduce((a, b) => a + b),
    2 * SCOUTS_MAX,
  );
  let tries = 0;
  const until = clock.now() + 10 * PAUSE_MS_MAX;
  for (; clock.now() < until; clock.advance(1_000)) {
    const before = links.map(({ dials }) => dials.length);
    round().forEach((count, node) => {
      if (count === before[node]) return;
      tries++;
      answer(node, false);
    });
  }
  assert(tries < 100, `${tries} attempts in ${(10 * PAUSE_MS_MAX) / 60_000} minutes`);
  answer(0, true);
});

test("peers: once one function has reached the client all may try, and one that fails is left alone by itself", () => {
  const { clock, peers, links, linkOf, answer } = world();
  peers.upTo(linkOf(0));
  answer(0, true);
  for (const { node } of links) peers.upTo(linkOf(node));
  assert.deepEqual(
    links.map(({ dials }) => dials.length),
    [1, 1, 1, 1],
  );
  answer(1, false);
  answer(2, true);
  for (const { node } of links) peers.upTo(linkOf(node));
  assert.deepEqual(
    links.map(({ dials }) => dials.length),
    [1, 1, 1, 1],
  );
  clock.advance(PAUSE_MS_MIN);
  peers.upTo(linkOf(1));
  assert.equal(links[1]?.dials.length, 2);
});

test("peers: a transfer that broke is followed by one through the proxy, and a new connection", () => {
  const { counters, peers, links, linkOf, answer } = world();
  peers.upTo(linkOf(0));
  answer(0, true);
  peers.forget(linkOf(0));
  assert.equal(counters.directFailures, 1);
  assert.equal(peers.upTo(linkOf(0)), null);
  assert.equal(links[0]?.dials.length, 2);
  links[0]?.dials.at(-1)?.onEnd("interrupted");
  assert.equal(peers.upTo(linkOf(0)), null);
  assert.equal(links[0]?.dials.length, 3, "an instance that had no time to answer is asked again");
});
