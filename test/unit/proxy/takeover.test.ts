// Claims about two proxies on one pool: the older one finds out by its next Invoke, says so to everybody, and is gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareReigns, readAnswer } from "../../../src/core/invocation.ts";
import { all, bodyOf, first, type TestClient } from "./client.ts";
import { emptyImage } from "./memory-store.ts";
import { put } from "./steps.ts";
import { World } from "./world.ts";

const DAY_MS = 86_400_000;

function taken(): { world: World; client: TestClient } {
  const world = new World({ nodes: 3, backupIntervalMs: 10_000 });
  const client = world.client();
  put(world, client, "k", bodyOf(3_000, 1));
  world.settle();
  for (let node = 0; node < 3; node++) world.takeOver(node, world.instances(node)[0]!);
  world.clock.advance(2_000); // It cannot reach its proxy, and has returned.
  return { world, client };
}

test("takeover: at its next Invoke the older proxy learns of it, and nothing is served any more", () => {
  const { world, client } = taken();
  assert.equal(world.proxy.superseded, null);
  const reading = client.get("k");
  world.clock.advance(50);
  assert.match(world.proxy.superseded ?? "", /another proxy.*other:1/);
  assert.equal(
    reading.messages.some(({ kind }) => kind === "chunk"),
    false,
  );
  const refused = first(client.exchanges.get(0)!, "refused");
  assert.equal(refused.code, "ICACHE_SUPERSEDED");
  assert.notEqual(client.closeReason, null);
  assert.equal(world.proxy.status().superseded, world.proxy.superseded);
});

test("takeover: whoever asks the older proxy afterwards is told why, and no function is invoked again", () => {
  const { world, client } = taken();
  client.get("k");
  world.clock.advance(50);
  const { invokes } = world;
  const later = world.client(2);
  world.clock.advance(5);
  assert.equal(first(later.exchanges.get(0)!, "refused").code, "ICACHE_SUPERSEDED");
  world.clock.advance(DAY_MS);
  assert.equal(world.invokes, invokes);
});

test("takeover: a PUT under way is not acknowledged, and its function is let go", () => {
  const { world, client } = taken();
  const putting = client.openPut("new");
  world.clock.until(() => putting.messages.length > 0);
  client.sendBody(putting, "new", bodyOf(3_000, 2));
  world.clock.advance(50);
  assert.equal(all(putting, "putDone").length, 0);
  assert.notEqual(client.closeReason, null);
  assert.equal(world.image.objects.has("new"), false);
});

test("takeover: a function that never knew this proxy's key is no sign of another; one that did is", () => {
  for (const hasGreeted of [false, true]) {
    const world = new World({ nodes: 3 });
    const client = world.client();
    if (hasGreeted) put(world, client, "k", bodyOf(3_000, 1));
    world.settle();
    const payload = JSON.stringify({ status: "unverified", instance: "", reason: "" });
    const refusal = { kind: "returned", payload, report: null } as const;
    for (let node = 0; node < 3; node++) world.refusals.set(node, [refusal]);
    if (hasGreeted) client.get("k");
    else world.proxy.greetAll(() => {});
    world.clock.advance(20);
    assert.equal(world.proxy.superseded !== null, hasGreeted);
  }
});

test("takeover: what a function answers that is no answer of ours changes nothing", () => {
  for (const payload of ["", "null", "[]", "{", '{"status":"superseded"}', '{"status":7}'])
    assert.equal(readAnswer(payload), null, payload);
});

test("reigns: of any two that differ one is the older, whoever is asked", () => {
  const reigns = [1, 2].flatMap((term) =>
    [1, 2].flatMap((generation) => ["a:1", "b:1"].map((proxy) => ({ term, generation, proxy }))),
  );
  for (const [at, a] of reigns.entries())
    for (const [other, b] of reigns.entries())
      assert.equal(Math.sign(compareReigns(a, b)), Math.sign(at - other));
});

test("takeover: a proxy whose state was lost and whose clock was set back ends in words that name the remedy", () => {
  const world = new World({ nodes: 3, image: { ...emptyImage(), term: 50 } });
  put(world, world.client(), "k", bodyOf(3_000, 1));
  world.settle();
  Object.assign(world.image, { generation: 8, term: 10 });
  world.image.objects.clear();
  world.restart();
  const client = world.client(2);
  const putting = client.openPut("k");
  world.clock.until(() => putting.messages.length > 0);
  client.sendBody(putting, "k", bodyOf(3_000, 2));
  world.clock.advance(5_000);
  const refused = first(client.exchanges.get(0)!, "refused");
  assert.equal(refused.code, "ICACHE_SUPERSEDED");
  assert.match(refused.reason, /term 11 .* is over: term 51 .*clock.*state folder/);
  assert.notEqual(client.closeReason, null);
});
