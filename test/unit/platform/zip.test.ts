// Deployment packages: what the writer writes the reader reads, and damaged archives are refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { readZip, ZipError } from "../../../src/platform/lambda-service/zip.ts";
import { writeZip } from "../../../src/platform/zip-writer.ts";

const LIMIT = 1 << 20;

/** An archive with one stored file, as `zip -0` makes it, byte for byte from the specification. */
function storedZip(name: string, bytes: Buffer): Buffer {
  const common = Buffer.alloc(26);
  common.writeUInt16LE(10, 0);
  common.writeUInt32LE(crc32(bytes), 10);
  common.writeUInt32LE(bytes.length, 14);
  common.writeUInt32LE(bytes.length, 18);
  common.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("504b0304", "hex"), common, Buffer.from(name), bytes]);
  const entry = Buffer.concat([
    Buffer.from("504b01020a00", "hex"),
    common,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write("504b0506", "hex");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, entry, end]);
}

test("zip: a stored file is read", () => {
  const files = readZip(storedZip("index.js", Buffer.from("exports.handler = 1")), LIMIT);
  assert.equal(files.get("index.js")?.toString(), "exports.handler = 1");
});

test("zip: any files come back from an archive of the writer, also with a comment after it", () => {
  const file = fc.tuple(fc.stringMatching(/^[a-z]{1,9}(\/[a-z]{1,9})?\.js$/), fc.uint8Array());
  const files = fc.uniqueArray(file, { selector: ([name]) => name, maxLength: 6 });
  fc.assert(
    fc.property(files, fc.string({ maxLength: 9 }), (wanted, comment) => {
      const archive = writeZip(wanted);
      const withComment = Buffer.concat([archive, Buffer.from(comment)]);
      withComment.writeUInt16LE(Buffer.byteLength(comment), archive.length - 2);
      const found = readZip(withComment, LIMIT);
      assert.equal(found.size, wanted.length);
      for (const [name, bytes] of wanted) assert.deepEqual(found.get(name), Buffer.from(bytes));
    }),
    { numRuns: 100 },
  );
});

test("zip: the writer's output depends on nothing but the files", () => {
  const files = [["index.cjs", Buffer.from("a".repeat(10_000))]] as const;
  assert.deepEqual(writeZip(files), writeZip(files));
});

test("zip: damaged archives are refused by ZipError and nothing else", () => {
  const archive = writeZip([["index.cjs", Buffer.from("exports.handler = () => 1;".repeat(50))]]);
  fc.assert(
    fc.property(fc.nat(archive.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(archive);
      damaged[at] = value;
      try {
        readZip(damaged, LIMIT);
      } catch (error) {
        assert.ok(error instanceof ZipError, String(error));
      }
    }),
    { numRuns: 500 },
  );
  for (const bytes of [0, 3, 22, archive.length - 1]) {
    assert.throws(() => readZip(archive.subarray(0, bytes), LIMIT), ZipError);
  }
});

test("zip: bombs and paths out of the archive are refused", () => {
  const bomb = writeZip([["a", Buffer.alloc(LIMIT + 1)]]);
  assert.throws(() => readZip(bomb, LIMIT), /Unzipped size/);
  for (const path of ["../a", "/a", "a/../../b", "a\\b"]) {
    assert.throws(() => readZip(storedZip(path, Buffer.from("x")), LIMIT), /leaves/);
  }
});
