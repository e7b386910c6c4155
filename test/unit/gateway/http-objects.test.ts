// Objects over HTTP: what is kept and told, conditions, ranges, and requests that lie about their bodies.
// No real cache stands behind the door: a map does.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { EVERYTHING } from "../../../src/core/access.ts";
import { CacheError } from "../../../src/core/errors.ts";
import { parseRange } from "../../../src/gateway/http/conditions.ts";
import { RawClient, tokens, withHttp } from "./doors.ts";

const MIB = 1_048_576;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}

test("PUT, HEAD, GET, DELETE: an object goes in and comes out with its headers", async () => {
  await withHttp(async ({ url, cache }) => {
    const at = `${url}/objects/space/a/b%20c.txt`;
    const headers = {
      "content-type": "text/html",
      "x-meta-owner": "me",
      "x-other": "no",
      "x-ttl": "100",
    };
    const put = await fetch(at, { method: "PUT", body: "hello", headers });
    assert.equal(put.status, 200);
    const etag = put.headers.get("etag");
    assert.match(etag ?? "", /^"[^"]+"$/);
    assert.deepEqual(cache.objects.get("space/a/b c.txt")?.info.metadata, {
      "content-type": "text/html",
      "x-meta-owner": "me",
    });
    assert.equal(cache.puts[0]?.options.ttlMs, 100_000);
    for (const method of ["HEAD", "GET"]) {
      const got = await fetch(at, { method });
      assert.equal(got.status, 200);
      assert.equal(got.headers.get("content-type"), "text/html");
      assert.equal(got.headers.get("x-meta-owner"), "me");
      assert.equal(got.headers.get("etag"), etag);
      assert.equal(got.headers.get("content-length"), "5");
      assert.match(got.headers.get("cache-control") ?? "", /^max-age=(99|100)$/);
      assert.equal(await got.text(), method === "GET" ? "hello" : "");
    }
    assert.equal((await fetch(at, { method: "DELETE" })).status, 204);
    assert.equal((await fetch(at, { method: "DELETE" })).status, 404);
    assert.equal((await fetch(at)).status, 404);
  });
});

test("large bodies stream both ways, chunked or with a length", async () => {
  await withHttp(async ({ url, cache }) => {
    const value = Buffer.alloc(20 * MIB);
    for (let at = 0; at < value.length; at += 997) value[at] = at & 0xff;
    const put = await fetch(`${url}/objects/n/k`, { method: "PUT", body: value });
    assert.equal(put.status, 200);
    assert.ok(cache.puts[0]?.isStream && cache.putPartBytesMax <= MIB);
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < value.length; at += MIB)
          controller.enqueue(value.subarray(at, at + MIB));
        controller.close();
      },
    });
    const chunked = await fetch(`${url}/objects/n/chunked`, {
      method: "PUT",
      body,
      duplex: "half",
    });
    assert.equal(chunked.status, 200);
    for (const key of ["k", "chunked"]) {
      const got = await fetch(`${url}/objects/n/${key}`);
      assert.ok(Buffer.from(await got.arrayBuffer()).equals(value));
    }
    assert.equal(cache.openStreams, 0);
  });
});

test("conditions: If-None-Match and If-Match answer 304, 412 or go on", async () => {
  await withHttp(async ({ url }) => {
    const at = `${url}/objects/n/k`;
    const ask = async (method: string, headers: Record<string, string>) =>
      (await fetch(at, { method, headers, ...(method === "PUT" ? { body: "v" } : {}) })).status;
    assert.equal(await ask("GET", { "if-match": "*" }), 412);
    assert.equal(await ask("PUT", { "if-match": '"x"' }), 412);
    assert.equal(await ask("PUT", { "if-none-match": "*" }), 201);
    assert.equal(await ask("PUT", { "if-none-match": "*" }), 412);
    const etag = (await fetch(at)).headers.get("etag") ?? "";
    assert.equal(await ask("GET", { "if-none-match": etag }), 304);
    assert.equal(await ask("GET", { "if-none-match": `"other", W/${etag}` }), 304);
    assert.equal(await ask("HEAD", { "if-none-match": "*" }), 304);
    assert.equal(await ask("GET", { "if-none-match": '"other"' }), 200);
    assert.equal(await ask("GET", { "if-match": etag }), 200);
    assert.equal(await ask("GET", { "if-match": `W/${etag}` }), 412);
    assert.equal(await ask("DELETE", { "if-match": '"other"' }), 412);
    assert.equal(await ask("PUT", { "if-match": etag }), 200);
    assert.equal(await ask("PUT", { "if-match": etag }), 412);
    const newer = (await fetch(at)).headers.get("etag") ?? "";
    assert.notEqual(newer, etag);
    assert.equal(await ask("DELETE", { "if-match": newer }), 204);
  });
});

test("ranges: one is answered with 206, none of the object with 416, several with the whole", async () => {
  await withHttp(async ({ url, cache }) => {
    const value = Buffer.from(Array.from({ length: 3 * MIB }, (_, index) => index % 251));
    await cache.put("n/k", value);
    const ask = async (range: string, more: Record<string, string> = {}) => {
      const got = await fetch(`${url}/objects/n/k`, { headers: { range, ...more } });
      return {
        status: got.status,
        range: got.headers.get("content-range"),
        etag: got.headers.get("etag"),
        bytes: Buffer.from(await got.arrayBuffer()),
      };
    };
    for (const [range, start, end] of [
      ["bytes=0-0", 0, 1],
      ["bytes=5-1048580", 5, 1_048_581],
      ["bytes=3145727-", 3_145_727, 3_145_728],
      ["bytes=-10", 3_145_718, 3_145_728],
      ["bytes=100-99999999", 100, 3_145_728],
    ] as const) {
      const got = await ask(range);
      assert.equal(got.status, 206, range);
      assert.equal(got.range, `bytes ${start}-${end - 1}/${value.length}`);
      assert.ok(got.bytes.equals(value.subarray(start, end)), range);
    }
    const outside = await ask("bytes=3145728-");
    assert.deepEqual([outside.status, outside.range], [416, "bytes */3145728"]);
    assert.equal((await ask("bytes=-0")).status, 416);
    for (const whole of ["bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes=9-5"]) {
      const got = await ask(whole);
      assert.deepEqual([got.status, got.bytes.length], [200, value.length], whole);
    }
    const { etag } = await ask("bytes=0-0");
    assert.equal((await ask("bytes=0-0", { "if-range": etag ?? "" })).status, 206);
    assert.equal((await ask("bytes=0-0", { "if-range": '"other"' })).status, 200);
    assert.equal(parseRange("bytes=0-", 0), "outside");
    assert.equal(cache.openStreams, 0);
  });
});

test("digests: a body that does not match is refused and not stored", async () => {
  await withHttp(async ({ url, cache }) => {
    for (const body of [Buffer.from("small"), Buffer.alloc(MIB, 3)]) {
      const put = async (headers: Record<string, string>) =>
        (await fetch(`${url}/objects/n/k`, { method: "PUT", body, headers })).status;
      const wrong = sha256(Buffer.from("other"));
      assert.equal(await put({ "content-digest": `sha-256=:${wrong}:` }), 400);
      assert.equal(await put({ "content-digest": "sha-256=:short:" }), 400);
      assert.equal(
        await put({ "content-md5": createHash("md5").update("x").digest("base64") }),
        400,
      );
      assert.equal(cache.objects.size, 0);
      assert.equal(
        await put({ "content-digest": `sha-512=:abc:, sha-256=:${sha256(body)}:` }),
        200,
      );
      assert.equal(
        await put({ "content-md5": createHash("md5").update(body).digest("base64") }),
        200,
      );
      cache.objects.clear();
    }
  });
});

test("lies about the body: shorter, longer, two lengths, a length with chunks: 400 and nothing stored", async () => {
  await withHttp(async ({ port, cache }) => {
    const lie = async (headers: string, body: string, isEnded: boolean) => {
      const client = new RawClient(port).send(
        `PUT /objects/n/k HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`,
      );
      if (isEnded) client.socket.end();
      return (await client.all()).split("\r\n", 1)[0];
    };
    assert.equal(await lie("Content-Length: 10", "short", true), "HTTP/1.1 400 Bad Request");
    assert.equal(
      await lie("Content-Length: 300000", "y".repeat(200_000), true),
      "HTTP/1.1 400 Bad Request",
    );
    assert.equal(
      await lie("Content-Length: 5", "longer than five", false),
      "HTTP/1.1 400 Bad Request",
    );
    assert.equal(
      await lie("Content-Length: 5\r\nContent-Length: 6", "abcdef", false),
      "HTTP/1.1 400 Bad Request",
    );
    assert.equal(
      await lie(
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "5\r\nabcde\r\n0\r\n\r\n",
        false,
      ),
      "HTTP/1.1 400 Bad Request",
    );
    assert.equal(
      await lie("Transfer-Encoding: chunked", "5\r\nabcdeXX", false),
      "HTTP/1.1 400 Bad Request",
    );
    assert.equal(cache.objects.size, 0);
  });
});

test("names: dot segments, encoded slashes, NUL, bad UTF-8 and long keys are refused", async () => {
  await withHttp(async ({ port, cache }) => {
    const status = async (target: string) => {
      const client = new RawClient(port).send(
        `PUT ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nv`,
      );
      return Number((await client.all()).split(" ")[1]);
    };
    const bad = [
      "/objects/n/../k",
      "/objects/n/%2e%2E/k",
      "/objects/n/./k",
      "/objects/n/a%2fb",
      "/objects/n/a%2Fb",
      "/objects/n/a%00",
      "/objects/n/%ff",
      "/objects/n/%",
      "/objects/n//k",
      "/objects/n/",
      "/objects/n",
      "/objects//k",
    ];
    for (const target of bad) assert.equal(await status(target), 400, target);
    assert.equal(await status(`/objects/n/${"k".repeat(8_192)}`), 414);
    assert.equal(await status(`/objects/n/${"k".repeat(40_000)}`), 431);
    assert.equal(await status("/elsewhere"), 404);
    assert.equal(cache.objects.size, 0);
    assert.equal(await status(`/objects/n/${"k".repeat(1_022)}?query=ignored`), 200);
  });
});

test("methods and pages: 405 names what is allowed; health, readiness and status answer", async () => {
  await withHttp(async ({ url }) => {
    const post = await fetch(`${url}/objects/n/k`, { method: "POST", body: "x" });
    assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD, PUT, DELETE"]);
    assert.equal((await fetch(`${url}/healthz`, { method: "DELETE" })).status, 405);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    assert.equal((await (await fetch(`${url}/status`)).text()).includes('"pool":"test"'), true);
    assert.equal(
      (
        await fetch(`${url}/objects/n/k`, {
          method: "PUT",
          body: "x",
          headers: { "x-ttl": "soon" },
        })
      ).status,
      400,
    );
    assert.equal(
      (
        await fetch(`${url}/objects/n/k`, {
          method: "PUT",
          body: "x",
          headers: { "x-meta-a": "a".repeat(9_000) },
        })
      ).status,
      431,
    );
  });
});

test("tokens: without the right one objects and status are refused, health is not", async () => {
  await withHttp(
    async ({ url }) => {
      const status = async (path: string, authorization?: string) =>
        (await fetch(url + path, authorization === undefined ? {} : { headers: { authorization } }))
          .status;
      assert.equal(await status("/objects/n/k"), 401);
      assert.equal(await status("/objects/n/k", "Bearer wrong"), 401);
      assert.equal(await status("/status"), 401);
      assert.equal(await status("/objects/n/k", "Bearer secret"), 404);
      assert.equal(await status("/healthz"), 200);
    },
    { access: tokens({ secret: EVERYTHING }) },
  );
});

test("tokens: what a role or a namespace does not allow is refused alike, whether the object exists or not", async () => {
  const grants = {
    reader: { role: "read-only", namespace: "n", expiresAtMs: null },
    late: { role: "admin", namespace: null, expiresAtMs: 1 },
  } as const;
  await withHttp(
    async ({ url, cache }) => {
      await cache.put("n/k", Buffer.from("x"));
      await cache.put("m/k", Buffer.from("x"));
      const ask = async (method: string, path: string, token: string, more = {}) => {
        const headers = { authorization: `Bearer ${token}`, ...more };
        const body = method === "PUT" ? "v" : null;
        const reply = await fetch(url + path, { method, headers, body });
        return `${reply.status} ${await reply.text()}`;
      };
      const forbidden = "403 ICACHE_DENIED: the token does not allow this\n";
      for (const path of ["/objects/n/k", "/objects/n/absent"]) {
        assert.equal(await ask("PUT", path, "reader"), forbidden);
        assert.equal(await ask("PUT", path, "reader", { "if-match": '"1-1"' }), forbidden);
        assert.equal(await ask("DELETE", path, "reader"), forbidden);
        assert.match(await ask("GET", path, "late"), /^401 ICACHE_AUTH/);
      }
      for (const path of ["/objects/m/k", "/objects/m/absent", "/status"])
        assert.equal(await ask("GET", path, "reader"), forbidden);
      assert.equal(await ask("HEAD", "/objects/m/k", "reader"), "403 ");
      assert.equal(await ask("GET", "/objects/n/k", "reader"), "200 x");
      assert.equal(cache.objects.size, 2);
    },
    { access: tokens(grants) },
  );
});

test("losses: at once is 404, midway ends the connection; a failure of a PUT has its status", async () => {
  await withHttp(async ({ url, cache }) => {
    await cache.put("n/large", Buffer.alloc(3 * MIB));
    await cache.put("n/small", Buffer.alloc(10));
    cache.loseAfterBytes = MIB;
    await assert.rejects(async () => await (await fetch(`${url}/objects/n/large`)).arrayBuffer());
    cache.loseAfterBytes = 0;
    assert.equal((await fetch(`${url}/objects/n/small`)).status, 404);
    cache.failure = new CacheError("ICACHE_DEADLINE", "late");
    assert.equal((await fetch(`${url}/objects/n/small`)).status, 404);
    for (const [code, status] of [
      ["ICACHE_POOL_FULL", 507],
      ["ICACHE_DEADLINE", 503],
      ["ICACHE_TOO_LARGE", 413],
      ["ICACHE_INTERNAL", 500],
    ] as const) {
      cache.failure = new CacheError(code, "no");
      const put = await fetch(`${url}/objects/n/k`, { method: "PUT", body: Buffer.alloc(MIB) });
      assert.equal(put.status, status, code);
    }
    assert.equal(cache.openStreams, 0);
  });
});

test("Expect: 100-continue: the body is asked for only when it is wanted", async () => {
  await withHttp(async ({ port, cache }) => {
    await cache.put("n/k", Buffer.from("old"));
    const head =
      "PUT /objects/n/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n";
    const refused = new RawClient(port).send(`${head}If-None-Match: *\r\n\r\n`);
    assert.match(await refused.until("hold"), /^HTTP\/1.1 412 /);
    refused.close();
    const wanted = new RawClient(port).send(`${head}\r\n`);
    assert.equal(await wanted.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    wanted.send("new");
    assert.match(await wanted.until("etag"), /HTTP\/1.1 200 OK/);
    wanted.close();
    assert.equal(Buffer.from(cache.objects.get("n/k")?.bytes ?? []).toString(), "new");
  });
});

test("a reader that vanishes or stops reading leaves nothing open and delays nobody", async () => {
  await withHttp(async ({ port, url, cache }) => {
    await cache.put("n/large", Buffer.alloc(50 * MIB));
    const ask = () => new RawClient(port).send("GET /objects/n/large HTTP/1.1\r\nHost: x\r\n\r\n");
    for (let round = 0; round < 50; round += 1) {
      const client = ask();
      await client.bytes(1);
      client.close();
    }
    const slow = ask();
    slow.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 20; round += 1)
      assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * MIB);
    slow.close();
    while (cache.openStreams > 0) await new Promise(setImmediate);
  });
});
