// What the client does when the proxy, the network, the caller or time misbehaves.
// No sleeps: time is turned by hand, and connections are cut at named messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeProxy } from "./fake-proxy.ts";
import { body, HandClock, isEqual, joined, pieces, settle, world } from "./world.ts";

const MIB = 1_024 * 1_024;

test("get: a lost connection is dialled anew and the read begun again", async () => {
  const { cache, proxy } = world();
  const sent = body(20 * MIB);
  await cache.put("k", sent);
  let gets = 0;
  proxy.mischief.cutAt = (message) => message.kind === "get" && ++gets < 3;
  const read = await cache.get("k");
  assert.ok(read.kind === "hit" && isEqual(read.bytes, sent));
  assert.equal(proxy.connections, 3);
  await cache.close();
  assert.equal(proxy.openConnections, 0);
  assert.equal(cache.counters.pooledBytes, 0);
});

test("get: a connection lost midway leaves no wrong byte", async () => {
  const { cache, proxy } = world();
  const sent = body(100 * MIB);
  await cache.put("k", sent);
  let stripes = 0;
  proxy.mischief.cutAt = (message) =>
    message.kind === "getStripe" || (message.kind === "getDone" && ++stripes < 0);
  const into = new Uint8Array(100 * MIB);
  const reading = cache.getInto("k", into);
  await settle(5);
  proxy.cut();
  proxy.mischief.cutAt = () => false;
  const read = await reading;
  assert.ok(read.kind === "hit" && isEqual(into, sent));
  await cache.close();
});

test("put: a buffer is sent again after a lost connection, and takes effect once", async () => {
  const { cache, proxy } = world();
  const sent = body(5 * MIB);
  let cuts = 0;
  proxy.mischief.cutAt = (message) => message.kind === "putCommit" && ++cuts === 1;
  assert.equal((await cache.put("k", sent)).kind, "stored");
  proxy.mischief.cutAt = (message) => message.kind === "putDone" && ++cuts === 3;
  const put = await cache.put("k", sent);
  assert.equal(put.kind === "stored" && put.version, proxy.objects.get("k")?.described.version);
  const sequences = proxy.seen.flatMap((message) =>
    message.kind === "putOpen" ? [message.sequence] : [],
  );
  assert.deepEqual(sequences, [1, 1, 2, 2]);
  const read = await cache.get("k");
  assert.ok(read.kind === "hit" && isEqual(read.bytes, sent));
  await cache.close();
});

test("put: of a stream whose connection was lost, the outcome is unknown after the commit, else it is not stored", async () => {
  const { cache, proxy } = world();
  proxy.mischief.cutAt = (message) => message.kind === "putChunk";
  await assert.rejects(cache.put("k", pieces(body(MIB), 50_000)), { code: "ICACHE_UNREACHABLE" });
  proxy.mischief.cutAt = (message) => message.kind === "putCommit";
  await assert.rejects(cache.put("k", pieces(body(MIB), 50_000)), {
    code: "ICACHE_OUTCOME_UNKNOWN",
  });
  proxy.mischief = {};
  assert.equal((await cache.put("k", pieces(body(MIB), 50_000))).kind, "stored");
  await cache.close();
  assert.equal(cache.counters.pooledBytes, 0);
});

test("put: whose proxy restarted during the commit gets its true outcome, and takes effect once", async () => {
  const { cache, proxy } = world();
  const sent = body(MIB);
  let cuts = 0;
  for (const source of [() => sent, () => pieces(sent, 50_000)]) {
    // It took effect, and the answer was lost with the proxy.
    cuts = 0;
    proxy.mischief.cutAt = (message) => {
      if (message.kind !== "putDone" || ++cuts > 1) return false;
      proxy.term += 1;
      return true;
    };
    const put = await cache.put("k", source());
    assert.equal(put.kind === "stored" && put.version, proxy.objects.get("k")?.described.version);
    assert.equal(cuts, 1, "the retry is answered without a second commit");
  }
  const commits = proxy.count("putCommit");
  assert.equal(commits, 2);
  // It did not take effect: a buffer is sent again, of a stream the caller is told.
  cuts = 0;
  proxy.mischief.cutAt = (message) => {
    if (message.kind !== "putCommit" || ++cuts % 2 === 0) return false;
    proxy.term += 1;
    return true;
  };
  assert.equal((await cache.put("k", sent)).kind, "stored");
  await assert.rejects(cache.put("k", pieces(sent, 50_000)), {
    code: "ICACHE_UNREACHABLE",
    message: /before the PUT took effect/,
  });
  await cache.close();
  assert.equal(cache.counters.pooledBytes, 0);
});

test("put: whose proxy came back without its table has an unknown outcome", async () => {
  const { cache, proxy } = world();
  proxy.mischief.cutAt = (message) => {
    if (message.kind !== "putCommit") return false;
    proxy.term += 1;
    proxy.generation += 1;
    return true;
  };
  for (const source of [body(MIB), pieces(body(MIB), 50_000)])
    await assert.rejects(cache.put("k", source), { code: "ICACHE_OUTCOME_UNKNOWN" });
  await cache.close();
});

test("delete: the retry of a delete that took effect is answered with its outcome", async () => {
  const { cache, proxy } = world();
  await cache.put("k", body(10));
  let cuts = 0;
  proxy.mischief.cutAt = (message) => message.kind === "remove" && ++cuts === 1;
  assert.equal(await cache.delete("k"), true);
  await cache.close();
});

test("a proxy that comes back within the patience is waited for; one that stays away is unreachable", async () => {
  const clock = new HandClock();
  const { cache, proxy } = world({ clock });
  proxy.isDown = true;
  const waiting = cache.has("k");
  await clock.pass(5_000);
  proxy.isDown = false;
  await clock.pass(2_000);
  assert.equal(await waiting, false);
  proxy.isDown = true;
  proxy.cut();
  await settle();
  const lost = assert.rejects(cache.has("k"), {
    code: "ICACHE_UNREACHABLE",
    message: /connection refused/,
  });
  await clock.pass(12_000);
  await lost;
  const short = assert.rejects(cache.has("k", { deadlineMs: 100 }), { code: "ICACHE_UNREACHABLE" });
  await clock.pass(101);
  await short;
  await cache.close();
});

test("a wrong token is refused at once, by its code", async () => {
  const { cache } = world({ token: "wrong" });
  await assert.rejects(cache.has("k"), { code: "ICACHE_AUTH", message: "the token is wrong" });
  await cache.close();
});

test("a silent connection is pinged after 15 s and given up after 15 more, or up to 5 s later", async () => {
  const clock = new HandClock();
  const { cache, proxy } = world({ clock });
  await cache.has("k");
  await clock.pass(60_000);
  assert.equal(proxy.count("ping") >= 3, true);
  assert.equal(proxy.connections, 1);
  proxy.mischief.ignore = (message) => message.kind === "ping" || message.kind === "stat";
  const waiting = cache.has("k");
  await clock.pass(29_000);
  assert.equal(proxy.connections, 1);
  proxy.mischief = {};
  await clock.pass(7_000);
  assert.equal(await waiting, false);
  assert.equal(proxy.connections, 2);
  await cache.close();
});

test("a freeze is no silence: the connection is asked first, and stays", async () => {
  const clock = new HandClock();
  const { cache, proxy } = world({ clock });
  await cache.has("k");
  await clock.pass(6_000);
  for (const ms of [60_000, 29_000, 3_600_000]) {
    const pings = proxy.count("ping");
    await clock.freeze(ms);
    await clock.pass(1_000);
    assert.equal(proxy.count("ping"), pings + 1);
    assert.equal(proxy.connections, 1);
    await clock.pass(5_000);
  }
  assert.equal(await cache.has("k"), false);
  assert.equal(proxy.connections, 1);
  await cache.close();
});

test("a deadline ends an operation and tells the proxy", async () => {
  const clock = new HandClock();
  const { cache, proxy } = world({ clock });
  proxy.mischief.ignore = (message) => message.kind === "get" || message.kind === "putCommit";
  const read = assert.rejects(cache.get("k", { deadlineMs: 1_000 }), { code: "ICACHE_DEADLINE" });
  const put = assert.rejects(cache.put("k", body(MIB), { deadlineMs: 1_000 }), {
    code: "ICACHE_DEADLINE",
  });
  const stream = cache.getStream("k", { deadlineMs: 1_000 });
  await clock.pass(1_001);
  await Promise.all([read, put]);
  assert.deepEqual(await stream, { kind: "miss", reason: "unreachable" });
  await settle();
  assert.equal(proxy.count("cancel"), 3);
  const asked = proxy.seen.find((message) => message.kind === "get");
  assert.ok(
    asked?.kind === "get" && asked.deadlineMs === 950,
    "the proxy answers before our own deadline",
  );
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("a signal ends an operation when the transport holds nothing of the caller any more", async () => {
  const { cache, proxy } = world();
  const abort = new AbortController();
  const putting = cache.put("k", body(64 * MIB), { signal: abort.signal });
  while (proxy.count("data") === 0) await settle(1);
  abort.abort(new Error("enough"));
  await assert.rejects(
    putting,
    (error: Error) =>
      (error as { code?: string }).code === "ICACHE_ABORTED" &&
      (error.cause as Error).message === "enough",
  );
  await assert.rejects(cache.get("k", { signal: abort.signal }), { code: "ICACHE_ABORTED" });
  await settle();
  assert.equal(cache.counters.operations, 0);
  assert.equal(cache.counters.pooledBytes, 0);
  assert.equal(proxy.objects.size, 0);
  await cache.put("k", body(64 * MIB));
  const stopReading = new AbortController();
  const reading = cache.getStream("k", { signal: stopReading.signal });
  const stream = await reading;
  stopReading.abort();
  if (stream.kind === "hit") await assert.rejects(joined(stream.body), { code: "ICACHE_ABORTED" });
  await settle();
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("getOrSet: one caller that gives up does not stop the others; the last one stops the load", async () => {
  const { cache } = world();
  let loadSignal: AbortSignal | null = null;
  const load = (signal: AbortSignal) => {
    loadSignal = signal;
    return new Promise<Uint8Array>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  const [first, second] = [new AbortController(), new AbortController()];
  const a = cache.getOrSet("k", load, { signal: first.signal });
  const b = cache.getOrSet("k", load, { signal: second.signal });
  await settle();
  first.abort();
  await assert.rejects(a, { code: "ICACHE_ABORTED" });
  assert.equal((loadSignal as AbortSignal | null)?.aborted, false);
  second.abort();
  await assert.rejects(b, { code: "ICACHE_ABORTED" });
  assert.equal((loadSignal as AbortSignal | null)?.aborted, true);
  await cache.close();
});

test("getOrSet: a cache out of reach costs nothing but its patience", async () => {
  const proxy = new FakeProxy();
  proxy.isDown = true;
  const { cache } = world({ dialer: proxy, unreachableMs: 1 });
  const bytes = await cache.getOrSet("k", async () => body(100));
  assert.ok(isEqual(bytes, body(100)));
  assert.equal(cache.counters.loadsNotStored, 1);
  await cache.close();
});

test("getStream: a reader that stops is cut off after 30 s, one that is slow but steady is not", async () => {
  const clock = new HandClock();
  const { cache, proxy } = world({ clock });
  await cache.put("k", body(100 * MIB));
  const stopped = await cache.getStream("k");
  assert.equal(stopped.kind, "hit");
  await clock.pass(30_001);
  if (stopped.kind === "hit")
    await assert.rejects(joined(stopped.body), { code: "ICACHE_SLOW_READER" });
  await settle();
  assert.equal(cache.counters.pooledBytes, 0);
  const steady = await cache.getStream("k");
  assert.equal(steady.kind, "hit");
  if (steady.kind === "hit") {
    let views = 0;
    for await (const _view of steady.body) {
      await clock.pass(15_000);
      views += 1;
      if (views === 12) break;
    }
    assert.equal(views, 12);
  }
  assert.ok(proxy.count("cancel") >= 1);
  await cache.close();
});

test("a source that pauses for minutes does not end its put", async () => {
  const clock = new HandClock();
  const { cache } = world({ clock });
  let go = () => {};
  const paused = new Promise<void>((resolve) => {
    go = resolve;
  });
  const slow = async function* () {
    yield body(100);
    await paused;
    yield body(100);
  };
  const putting = cache.put("k", slow(), { length: 200 });
  await clock.pass(300_000);
  go();
  assert.equal((await putting).kind, "stored");
  await cache.close();
});

test("too many operations are refused at once, those within the bound wait their turn", async () => {
  const clock = new HandClock();
  const { cache, proxy } = world({ clock });
  proxy.mischief.ignore = (message) => message.kind === "stat";
  const calls = Array.from({ length: 11_024 }, () =>
    cache.has("k").then(
      () => "done",
      (error: { code: string }) => error.code,
    ),
  );
  await assert.rejects(cache.has("k"), { code: "ICACHE_OVERLOADED" });
  await settle();
  assert.equal(proxy.count("stat"), 1_024);
  await cache.close();
  assert.deepEqual(new Set(await Promise.all(calls)), new Set(["ICACHE_CLOSED"]));
});

test("concurrent streams share the pool and never wait for each other for ever", async () => {
  const { cache } = world({ putStreamBytesMax: 90 * MIB, getStreamBytesMax: 90 * MIB });
  const sent = body(34 * MIB);
  await Promise.all(Array.from({ length: 6 }, (_, i) => cache.put(`k${i}`, pieces(sent, 3 * MIB))));
  const streams = await Promise.all(
    Array.from({ length: 6 }, async (_, i) => {
      const stream = await cache.getStream(`k${i}`);
      assert.equal(stream.kind, "hit");
      return stream.kind === "hit" ? isEqual(await joined(stream.body), sent) : false;
    }),
  );
  assert.ok(streams.every(Boolean));
  await settle();
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("a message that does not belong closes the connection and fails the operation", async () => {
  const { cache, proxy } = world();
  await cache.put("k", body(10));
  const stored = proxy.objects.get("k");
  assert.ok(stored);
  proxy.objects.set("k", { ...stored, described: { ...stored.described, bytes: 11 } });
  await assert.rejects(cache.get("k"), { code: "ICACHE_PROTOCOL" });
  proxy.objects.set("k", stored);
  assert.equal((await cache.get("k")).kind, "hit");
  assert.equal(proxy.connections, 2);
  await cache.close();
});

test("put: a chunk asked for again before its turn begins with the attempt asked for", async () => {
  const { cache, proxy } = world();
  const sent = body(30 * MIB);
  proxy.mischief.resendsEarly = (index) => index === 11;
  assert.equal((await cache.put("k", sent)).kind, "stored");
  const attempts = proxy.seen.flatMap((message) =>
    message.kind === "putChunk" && message.index === 11 ? [message.attempt] : [],
  );
  assert.ok(attempts.at(-1) === 1);
  const read = await cache.get("k", { firstD: "all" });
  assert.ok(read.kind === "hit" && isEqual(read.bytes, sent));
  await cache.close();
});
