// Claims about how keys and metadata are spelled at S3, and how bodies are cut into parts.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  fromS3Metadata,
  parseS3Url,
  s3KeyOf,
  toS3Metadata,
} from "../../../src/platform/s3-names.ts";
import { partBytesOf, partsToUpload } from "../../../src/platform/s3-parts.ts";
import { body, pieces } from "../client/world.ts";

const MEBIBYTE = 1_048_576;

test("s3 names: a place is a bucket and a prefix that ends with a slash", () => {
  assert.deepEqual(parseS3Url("s3://abc"), { bucket: "abc", prefix: "" });
  assert.deepEqual(parseS3Url("s3://a.b-c/"), { bucket: "a.b-c", prefix: "" });
  assert.deepEqual(parseS3Url("s3://abc/x/y//"), { bucket: "abc", prefix: "x/y/" });
  for (const url of ["s3://", "s3:///a", "s3://AB/c", "s3://ab", "http://abc", "s3://a@bc"])
    assert.throws(() => parseS3Url(url), { code: "ICACHE_INVALID" }, url);
});

test("s3 names: keys are spelled as they are but for segments of dots, and no two alike", () => {
  assert.equal(s3KeyOf("p/", "a/b c/ä%2E.csv"), "p/a/b c/ä%2E.csv");
  assert.equal(s3KeyOf("", "../a/./.../%."), "%../a/%./.../%%.");
  const segment = fc.oneof(fc.constantFrom("", ".", "..", "%", "%.", "%%..", "..."), fc.string());
  const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((all) => all.join("/"));
  fc.assert(
    fc.property(key, key, (a, b) => {
      const spelled = s3KeyOf("", a);
      assert(!spelled.split("/").some((each) => each === "." || each === ".."));
      if (a !== b) assert.notEqual(spelled, s3KeyOf("", b));
    }),
  );
  assert.equal(s3KeyOf("p/", "k".repeat(1_022)).length, 1_024);
  assert.throws(() => s3KeyOf("p/", "k".repeat(1_023)), { code: "ICACHE_TOO_LARGE" });
});

test("s3 names: metadata of any spelling come back, in ASCII, in S3's own words where it has them", () => {
  const metadata = {
    "content-type": "text/csv",
    "content-encoding": "gzip",
    "x-meta-a": "b c",
    Odd: "x",
    größe: "zwölf  ",
  };
  const spelled = toS3Metadata({ metadata, expiresAtMs: 5 });
  assert.deepEqual(spelled, {
    ContentType: "text/csv",
    ContentEncoding: "gzip",
    Metadata: {
      "x-meta-a": "b c",
      "infinicache-expires-at-ms": "5",
      "infinicache-metadata": '{"Odd":"x","gr\\u00f6\\u00dfe":"zw\\u00f6lf\\u0020\\u0020"}',
    },
  });
  const odd = fc.constantFrom(
    "content-type",
    "infinicache-write",
    "binary/octet-stream",
    "__proto__",
    "",
  );
  const text = fc.oneof(odd, fc.string({ unit: "binary", maxLength: 20 }));
  const pairs = fc.dictionary(text, text, { maxKeys: 5 });
  const expiry = fc.option(fc.nat());
  fc.assert(
    fc.property(pairs, expiry, (some, expiresAtMs) => {
      const told = toS3Metadata({ metadata: some, expiresAtMs });
      for (const [name, value] of Object.entries(told.Metadata ?? {}))
        assert.match(`${name}${value}`, /^[\x20-\x7e]*$/);
      const back = fromS3Metadata(told);
      assert.deepEqual(
        new Map(Object.entries(back?.metadata ?? {})),
        new Map(Object.entries(some)),
      );
      assert.equal(back?.expiresAtMs, expiresAtMs);
    }),
  );
});

test("s3 names: objects of others are read, damaged metadata of ours are not, and too many are refused", () => {
  const foreign = { ContentType: "image/png", Metadata: { owner: "me" } };
  const read = { metadata: { "content-type": "image/png", owner: "me" }, expiresAtMs: null };
  assert.deepEqual(fromS3Metadata(foreign), read);
  assert.equal(fromS3Metadata({ Metadata: { "infinicache-expires-at-ms": "soon" } }), null);
  for (const text of ["{", "[]", '{"a":1}'])
    assert.equal(fromS3Metadata({ Metadata: { "infinicache-metadata": text } }), null);
  const large = { metadata: { a: "b".repeat(1_984) }, expiresAtMs: null };
  assert.throws(() => toS3Metadata(large), { code: "ICACHE_TOO_LARGE" });
});

test("s3 parts: 10,000 hold any object, and what is cut is the body", async () => {
  assert.equal(partBytesOf(1, 1), 8 * MEBIBYTE);
  for (const bytes of [83_886_080_000, 83_886_080_001, 5_000_000_000_000]) {
    const part = partBytesOf(1, bytes);
    assert(part * 10_000 >= bytes && part >= 8 * MEBIBYTE, `${part}`);
  }
  let unknown = 0;
  for (let number = 1; number <= 10_000; number++) unknown += partBytesOf(number, null);
  assert(unknown > 5_000_000_000_000);
  for (const size of [0, 1, 8 * MEBIBYTE - 1, 8 * MEBIBYTE, 8 * MEBIBYTE + 1, 16 * MEBIBYTE]) {
    const whole = body(size);
    const parts = [];
    for await (const part of partsToUpload(pieces(whole, 700_001), null)) parts.push(part);
    const count = Math.max(1, Math.ceil(size / (8 * MEBIBYTE)));
    assert.deepEqual(
      parts.map((part) => part.isLast),
      Array.from({ length: count }, (_, at) => at === count - 1),
    );
    assert.equal(Buffer.compare(Buffer.concat(parts.map((part) => part.bytes)), whole), 0);
  }
});
