// Functions die: p of them cost nothing, p+1 cost the object and nothing else. And the two halves of `up` apart: a
// proxy that was killed comes back with its objects, and with none that were gone.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, test } from "node:test";
import { CliFixture, terminate } from "./cli-fixture.ts";

const fixture = new CliFixture();
after(() => fixture.end());

/** As many nodes as chunks, so that each holds exactly one of every object. */
const SMALL = ["--nodes", "6", "--memory", "128", "--code", "4+2"];

test("chaos: p killed is a hit, p+1 is a clean miss, and a new put works", async () => {
  // Else what one kill took would be made anew before the next.
  const up = await fixture.start(["up", "--port", "0", ...SMALL, "--repair-rate", "0"]);
  fixture.environment["INFINICACHE_URL"] = up.ready.client;
  const body = randomBytes(3_000_000);
  assert.equal(fixture.run(["put", "k", "-"], body).code, 0);
  const killed = fixture.run(["chaos", "kill", "2", "--json"]);
  assert.equal(JSON.parse(killed.out.toString()).count, 2, killed.err);
  const hit = fixture.run(["get", "k"]);
  assert.equal(hit.code, 0, hit.err);
  assert(hit.out.equals(body));
  for (const node of ["0", "1", "2"]) fixture.run(["chaos", "kill-node", node]);
  const miss = fixture.run(["get", "k"]);
  assert.equal(miss.code, 1, miss.err);
  assert.equal(miss.out.length, 0);
  assert.equal(fixture.run(["put", "k", "-"], body).code, 0);
  assert(fixture.run(["get", "k"]).out.equals(body));
  delete fixture.environment["INFINICACHE_URL"];
  assert.equal(await terminate(up), 0);
});

test("chaos kill-node: takes a number, a name, or the id of an instance, and says what is none of them", async () => {
  const up = await fixture.start(["up", "--port", "0", ...SMALL]);
  fixture.environment["INFINICACHE_URL"] = up.ready.client;
  const killed = (which: string): string[] => {
    const { code, out, err } = fixture.run(["chaos", "kill-node", which, "--json"]);
    assert.equal(code, 0, err);
    return JSON.parse(out.toString()).instances;
  };
  const frozen = JSON.parse(fixture.run(["chaos", "freeze", "1", "--json"]).out.toString());
  fixture.run(["chaos", "thaw"]);
  const [id] = frozen.instances;
  assert.deepEqual(killed(id), [id]);
  const others = fixture.run(["chaos", "freeze", "6", "--json"]).out.toString();
  fixture.run(["chaos", "thaw"]);
  assert.equal(JSON.parse(others).instances.length, 5);
  // One of the six nodes has lost its instance already.
  const rest = ["0", "infinicache-1", "2", "infinicache-3", "4", "infinicache-5"].map(
    (node) => fixture.run(["chaos", "kill-node", node]).code,
  );
  assert.equal(rest.filter((code) => code === 0).length, 5);
  fixture.run(["put", "k", "-"], Buffer.from("wakes some"));
  const unknown = fixture.run(["chaos", "kill-node", "nobody"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /"nobody" is no number or name of a node/);
  delete fixture.environment["INFINICACHE_URL"];
  assert.equal(await terminate(up), 0);
});

test("chaos: reclaim-all makes misses, and the pool comes back by itself", async () => {
  const up = await fixture.start(["up", "--port", "0", ...SMALL]);
  fixture.environment["INFINICACHE_URL"] = up.ready.client;
  fixture.run(["put", "k", "-"], Buffer.from("first"));
  assert.equal(fixture.run(["chaos", "reclaim-all"]).code, 0);
  assert.equal(fixture.run(["get", "k"]).code, 1);
  assert.equal(fixture.run(["put", "k", "-"], Buffer.from("second")).code, 0);
  assert.equal(fixture.run(["get", "k"]).out.toString(), "second");
  delete fixture.environment["INFINICACHE_URL"];
  assert.equal(await terminate(up), 0);
});

test("proxy, lambda-service: after kill -9 of the proxy its objects hit, and nothing old comes back", async () => {
  const service = await fixture.start(["lambda-service", "--port", "0"]);
  const args = ["proxy", "--port", "0", "--lambda", service.ready.lambda, ...SMALL];
  const stateful = [...args, "--state", fixture.path("state")];
  const first = await fixture.start(stateful);
  fixture.environment["INFINICACHE_URL"] = first.ready.client;
  const body = randomBytes(2_000_000);
  assert.equal(fixture.run(["put", "kept", "-"], body).code, 0);
  fixture.run(["put", "replaced", "-"], Buffer.from("old"));
  fixture.run(["put", "replaced", "-"], Buffer.from("new"));
  fixture.run(["put", "deleted", "-"], Buffer.from("gone"));
  fixture.run(["del", "deleted"]);
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  const second = await fixture.start(stateful);
  fixture.environment["INFINICACHE_URL"] = second.ready.client;
  const kept = fixture.run(["get", "kept"]);
  assert.equal(kept.code, 0, kept.err);
  assert(kept.out.equals(body));
  assert.equal(fixture.run(["get", "replaced"]).out.toString(), "new");
  assert.equal(fixture.run(["get", "deleted"]).code, 1);
  delete fixture.environment["INFINICACHE_URL"];
  assert.equal(await terminate(second), 0);
  assert.equal(await terminate(service), 0);
});
