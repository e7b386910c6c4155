// Steps that tests of operations share: a PUT or GET from beginning to end, and a look at what functions hold.

import assert from "node:assert/strict";
import {
  bodyOf,
  decoded,
  type Exchange,
  first,
  type PutWishes,
  type TestClient,
} from "./client.ts";
import { World } from "./world.ts";

export function put(
  world: World,
  client: TestClient,
  key: string,
  body: Uint8Array,
  wishes: PutWishes = {},
): Exchange {
  const exchange = client.openPut(key, wishes);
  world.clock.until(() => exchange.messages.length > 0);
  if (exchange.messages[0]?.kind === "putOpened") {
    const { dataChunks, parityChunks } = wishes.code ?? { dataChunks: 2, parityChunks: 1 };
    client.sendBody(exchange, key, body, dataChunks, dataChunks + parityChunks);
  }
  world.clock.until(
    () => exchange.messages.some(({ kind }) => kind === "putDone" || kind === "failed"),
    40_000,
  );
  return exchange;
}

export function get(
  world: World,
  client: TestClient,
  key: string,
  more: Parameters<TestClient["get"]>[1] = {},
): Exchange {
  const exchange = client.get(key, more);
  world.clock.until(() => isOver(exchange, key), 40_000);
  const isOpen = !exchange.messages.some(({ kind }) => kind === "miss" || kind === "whole");
  if (isOpen) client.send(exchange.channel, { kind: "getDone" });
  world.clock.advance(5);
  return exchange;
}

export function isOver(exchange: Exchange, key: string): boolean {
  if (exchange.messages.some(({ kind }) => kind === "miss" || kind === "failed")) return true;
  return isDecoded(exchange, key);
}

/** A world in which "k" is stored as 2+1, and all functions sleep. */
export function stored(): { world: World; client: TestClient; body: Uint8Array } {
  const world = new World();
  const client = world.client();
  const body = bodyOf(3_000);
  assert.equal(first(put(world, client, "k", body), "putDone").outcome, "stored");
  world.settle();
  return { world, client, body };
}

export function isDecoded(exchange: Exchange, key: string): boolean {
  const isTold = exchange.messages.some(({ kind }) => kind === "found" || kind === "whole");
  return isTold && decoded(exchange, key) !== null;
}

export function nodesWithChunk(world: World, index: number): number[] {
  const nodes = Array.from({ length: 8 }, (_, node) => node);
  return nodes.filter((node) =>
    world
      .instances(node)
      .some((core) => [...core.store.chunks()].some((chunk) => chunk.index === index)),
  );
}

export function dropAll(world: World, node: number): void {
  for (const core of world.instances(node))
    for (const chunk of core.store.chunks()) core.store.drop(chunk);
}

export function countStates(world: World, state: string): number {
  return world.proxy.status().nodes.byState[state] ?? 0;
}
