// A bucket behind real processes: the HTTP door of `up` with S3 as its origin, by the SDK, with faults at S3.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "../support/pool.ts";
import { S3_CREDENTIALS } from "../support/s3/credentials.ts";
import { S3StandIn } from "../support/s3/stand-in.ts";
import { body } from "../unit/client/world.ts";
import { CliFixture, terminate } from "./cli-fixture.ts";

const fixture = new CliFixture();
Object.assign(fixture.environment, S3_CREDENTIALS);
let standIn: S3StandIn;
before(async () => {
  standIn = await S3StandIn.start("data");
});
after(async () => {
  await fixture.end();
  await standIn.close();
});

const POOL = ["up", "--port", "0", "--nodes", "6", "--code", "2+1", "--memory", "256"];
const flags = (prefix: string, ...more: string[]) => [
  ...POOL,
  ...["--origin", `s3://data/${prefix}`, "--origin-endpoint", standIn.endpoint, ...more],
];

function seed(key: string, bytes: Uint8Array, headers: Record<string, string> = {}): void {
  const none = { ifNoneMatch: undefined, ifMatch: undefined };
  const checked = { bytes: Buffer.from(bytes), checksum: null };
  standIn.bucket("data").put(key, checked, headers, none);
}

async function read(url: string): Promise<{ status: number; type: string | null; bytes: Buffer }> {
  const answer = await fetch(url);
  const bytes = Buffer.from(await answer.arrayBuffer());
  return { status: answer.status, type: answer.headers.get("content-type"), bytes };
}

test("s3: the HTTP door loads from a bucket once, past SlowDown, and never stores what broke off", async () => {
  const up = await fixture.start(flags("read"));
  const at = (key: string) => `${up.ready.http}/objects/ns/${key}`;
  const [small, large] = [body(3_000_000, 1), body(12_000_000, 2)];
  seed("read/ns/small", small, { "content-type": "image/png" });
  seed("read/ns/large", large);
  assert.equal((await read(at("absent"))).status, 404);
  for (const [key, bytes] of [["small", small] as const, ["large", large] as const]) {
    standIn.faults.truncated = 1;
    assert.equal((await read(at(key))).status, 502, key);
    assert.equal(standIn.faults.truncated, 0);
    standIn.faults.slowDown = 2;
    standIn.seen.length = 0;
    for (let round = 0; round < 2; round++) {
      const found = await read(at(key));
      assert.equal(found.status, 200, key);
      assert.equal(Buffer.compare(found.bytes, bytes), 0, key);
      assert.equal(found.type, key === "small" ? "image/png" : "application/octet-stream");
    }
    assert.deepEqual(standIn.seen, ["GET", "GET", "GET"], key);
  }
  assert.equal(await terminate(up), 0);
});

test("s3: 100 MB are written through in parts and survive the cache; a DELETE is one there, too", async () => {
  const more = flags("through", "--origin-mode", "write-through");
  const first = await fixture.start(more);
  const bytes = body(100_000_000, 3);
  const url = (http: string, key: string) => `${http}/objects/ns/${key}`;
  const put = async (key: string, content: Uint8Array, headers = {}) =>
    await fetch(url(first.ready.http, key), {
      method: "PUT",
      body: Buffer.from(content),
      headers: { "content-type": "video/x", ...headers },
    });
  standIn.faults.slowDown = 1;
  assert.equal((await put("large", bytes)).status, 200);
  const { objects, uploads } = standIn.bucket("data");
  const stored = objects.get("through/ns/large");
  assert.match(stored?.etag ?? "", /-12"$/);
  assert.equal(Buffer.compare(stored?.bytes ?? body(0), bytes), 0);
  assert.equal(uploads.size, 0);
  assert.equal((await put("large", body(10), { "if-none-match": "*" })).status, 412);
  assert.equal((await put("gone", body(10))).status, 200);
  assert.equal((await fetch(url(first.ready.http, "gone"), { method: "DELETE" })).status, 204);
  assert.equal(objects.has("through/ns/gone"), false);
  assert.equal(await terminate(first), 0);
  const second = await fixture.start(more);
  const found = await read(url(second.ready.http, "large"));
  assert.deepEqual([found.status, found.type], [200, "video/x"]);
  assert.equal(Buffer.compare(found.bytes, bytes), 0);
  // S3 does not answer: refused, nothing is changed, and the credentials are in no text.
  standIn.faults.slowDown = 1_000;
  const refused = await fetch(url(second.ready.http, "large"), { method: "PUT", body: "x" });
  const text = await refused.text();
  assert.equal(refused.status, 502);
  assert.match(text, /SlowDown/);
  standIn.faults.slowDown = 0;
  assert.equal(Buffer.compare((await read(url(second.ready.http, "large"))).bytes, bytes), 0);
  assert.equal(await terminate(second), 0);
  for (const notes of [text, first.notes(), second.notes()])
    assert(
      !Object.values(S3_CREDENTIALS).some((each) => each !== "us-east-1" && notes.includes(each)),
    );
});

test("s3: what is written behind while S3 is down arrives when it is back, the last change of a key", async () => {
  const more = ["--origin-mode", "write-behind", "--origin-journal", fixture.path("journal")];
  const up = await fixture.start(flags("behind", ...more));
  const at = `${up.ready.http}/objects/ns/k`;
  standIn.faults.slowDown = 1_000_000;
  const last = body(9_000_000, 5);
  for (const content of [body(100, 4), last]) {
    const answer = await fetch(at, { method: "PUT", body: Buffer.from(content) });
    assert.equal(answer.status, 200);
  }
  const { objects } = standIn.bucket("data");
  assert.equal(objects.has("behind/ns/k"), false);
  assert.equal(Buffer.compare((await read(at)).bytes, last), 0);
  standIn.faults.slowDown = 0;
  const pending = async (): Promise<number> => {
    const answer = await fetch(`${up.ready.http}/status`);
    const status = (await answer.json()) as { origin: { journal: { entries: number } } };
    return status.origin.journal.entries;
  };
  await until("the journal is empty", 60_000, async () => (await pending()) === 0);
  assert.equal(Buffer.compare(objects.get("behind/ns/k")?.bytes ?? body(0), last), 0);
  assert.equal(await terminate(up), 0);
});
