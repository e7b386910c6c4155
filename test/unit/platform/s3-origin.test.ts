// Claims about S3 as an origin, by the real SDK against the stand-in: what any origin must do, and what is S3's own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { partsOf } from "../../../src/origin/bodies.ts";
import type { OriginStore } from "../../../src/origin/store.ts";
import { s3Origin } from "../../../src/platform/s3-origin.ts";
import { withS3Credentials } from "../../support/s3/credentials.ts";
import { S3StandIn } from "../../support/s3/stand-in.ts";
import { body, joined, pieces } from "../client/world.ts";
import { originConformance } from "../origin/store.conformance.ts";

const { signal } = new AbortController();
const plain = { bytes: null, metadata: {}, expiresAtMs: null, ifAbsent: false, signal };

withS3Credentials(before, after);

let standIn: S3StandIn;
let opened = 0;
before(async () => {
  standIn = await S3StandIn.start("cache", "other");
});
after(async () => await standIn.close());

/** Each has a prefix of its own. */
async function open(bucket = "cache"): Promise<OriginStore> {
  const { endpoint } = standIn;
  return await s3Origin({ url: `s3://${bucket}/tests/${++opened}`, endpoint });
}

originConformance("s3", open);

test("s3: an object up to 8 MiB is one request, a larger one comes in parts of no less, two at once", async () => {
  const origin = await open();
  standIn.seen.length = 0;
  const small = body(8_388_608, 1);
  await origin.put("small", pieces(small, 1_000_000), { ...plain, bytes: small.length });
  assert.deepEqual(standIn.seen, ["PUT"]);
  standIn.seen.length = 0;
  const large = body(30_000_001, 2);
  for (const bytes of [null, large.length]) {
    standIn.seen.length = 0;
    standIn.underWayMax = 0;
    await origin.put("large", pieces(large, 999_999), { ...plain, bytes });
    const part = "PUT part";
    assert.deepEqual(standIn.seen, ["POST begin", part, part, part, part, "POST complete"]);
    assert.equal(standIn.underWayMax, 2);
    const found = await origin.get("large", signal);
    assert(found !== null);
    assert.equal(Buffer.compare(await joined(found.body), large), 0);
  }
  const stored = standIn.bucket("cache").objects.get(`tests/${opened}/large`);
  assert.match(stored?.etag ?? "", /-4"$/);
  await origin.close();
});

test("s3: a body of another length than was said, one that throws or is aborted leave neither object nor parts", async () => {
  const origin = await open();
  const bucket = standIn.bucket("cache");
  const before = bucket.objects.size;
  for (const bytes of [9, 11]) {
    const put = origin.put("k", partsOf(body(10)), { ...plain, bytes });
    await assert.rejects(put, { code: "ICACHE_INVALID" });
  }
  const short = origin.put("k", partsOf(body(20_000_000)), { ...plain, bytes: 20_000_001 });
  await assert.rejects(short, { code: "ICACHE_INVALID" });
  const stop = new AbortController();
  const reason = new Error("enough");
  const stopped = async function* (): AsyncGenerator<Uint8Array> {
    yield body(18_000_000);
    stop.abort(reason);
    yield body(1);
  };
  const put = origin.put("k", stopped(), { ...plain, signal: stop.signal });
  await assert.rejects(put, (error) => error === reason);
  assert.deepEqual([bucket.objects.size, bucket.uploads.size], [before, 0]);
  await origin.close();
});

test("s3: SlowDown is asked again, and an end comes to that", async () => {
  const origin = await open();
  standIn.faults.slowDown = 2;
  await origin.put("k", partsOf(body(1_000)), plain);
  standIn.faults.slowDown = 2;
  assert.equal((await origin.get("k", signal))?.bytes, 1_000);
  assert.equal(standIn.faults.slowDown, 0);
  standIn.faults.slowDown = 1_000;
  await assert.rejects(origin.head("k", signal), { code: "ICACHE_ORIGIN" });
  assert.equal(1_000 - standIn.faults.slowDown, 5);
  standIn.faults.slowDown = 0;
  await origin.close();
});

test("s3: a body that breaks off, stands under a wrong checksum or breaks off while nobody reads is an error", async () => {
  const origin = await open();
  await origin.put("k", partsOf(body(3_000_000)), plain);
  for (const fault of ["truncated", "wrongChecksum"] as const) {
    standIn.faults[fault] = 1;
    const found = await origin.get("k", signal);
    assert(found !== null);
    await assert.rejects(joined(found.body), { code: "ICACHE_ORIGIN" }, fault);
  }
  standIn.faults.truncated = 1;
  const unread = await origin.get("k", signal);
  const again = await origin.get("k", signal);
  assert(unread !== null && again !== null);
  assert.equal((await joined(again.body)).length, 3_000_000);
  await assert.rejects(joined(unread.body), { code: "ICACHE_ORIGIN" });
  await origin.close();
});

test("s3: an abort while a body stands still ends the wait for it", async () => {
  const origin = await open();
  await origin.put("k", partsOf(body(1_000_000)), plain);
  Object.assign(standIn.faults, { slowBody: 1, slowBodyMs: 1_000 });
  const stop = new AbortController();
  const reason = new Error("enough");
  const found = await origin.get("k", stop.signal);
  assert(found !== null);
  const reading = joined(found.body);
  stop.abort(reason);
  await assert.rejects(reading, (error) => error === reason);
  await origin.close();
});

test("s3: a create whose answer was lost is told as stored, of one part or of many", async () => {
  const origin = await open();
  for (const size of [10, 9_000_000]) {
    standIn.faults.lostAnswer = 1;
    const put = { ...plain, ifAbsent: true };
    assert.equal(await origin.put(`k${size}`, partsOf(body(size)), put), "stored");
    assert.equal(standIn.faults.lostAnswer, 0);
    assert.equal(await origin.put(`k${size}`, partsOf(body(size)), put), "exists");
  }
  assert.equal(standIn.bucket("cache").uploads.size, 0);
  await origin.close();
});

test("s3: errors have S3's code, and nothing of the credentials; an absent bucket is no miss", async () => {
  const origin = await open("absent");
  const failed = await origin.get("k", signal).then(
    () => null,
    (error: unknown) => error as Error & { readonly code: string },
  );
  assert.equal(failed?.code, "ICACHE_ORIGIN");
  assert.equal(failed.message, "a GET was answered NoSuchBucket (404) by S3");
  assert.equal(failed.cause, undefined);
  await origin.close();
  await assert.rejects(s3Origin({ url: "s3://A/b" }), { code: "ICACHE_INVALID" });
  await assert.rejects(origin.get("k", signal), { code: "ICACHE_CLOSED" });
  const gone = await s3Origin({ url: "s3://cache", endpoint: "http://127.0.0.1:9" });
  const text = { code: "ICACHE_ORIGIN", message: "a HEAD failed at S3: ECONNREFUSED" };
  await assert.rejects(gone.head("k", signal), text);
  await gone.close();
});
