// Claims about the stand-in itself, by the real SDK: it refuses what S3 refuses.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { S3StandIn } from "../../support/s3/stand-in.ts";
import { body } from "../client/world.ts";

const Bucket = "b";
let standIn: S3StandIn;
let client: S3Client;
before(async () => {
  standIn = await S3StandIn.start(Bucket);
  client = new S3Client({
    endpoint: standIn.endpoint,
    forcePathStyle: true,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
});
after(async () => {
  client.destroy();
  await standIn.close();
});

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();

test("s3 stand-in: a stream in chunks with its checksum behind it is taken, whole and in ranges", async () => {
  const bytes = body(200_000);
  const Body = Readable.from([bytes.subarray(0, 70_000), bytes.subarray(70_000)]);
  const put = { Bucket, Key: "k", Body, ContentLength: bytes.length, ContentType: "text/csv" };
  const stored = await client.send(new PutObjectCommand(put));
  assert.equal(stored.ETag, `"${md5(bytes).toString("hex")}"`);
  assert.notEqual(stored.ChecksumCRC32, undefined);
  const found = await client.send(new GetObjectCommand({ Bucket, Key: "k" }));
  assert.equal(found.ContentType, "text/csv");
  assert.equal(Buffer.compare((await found.Body?.transformToByteArray()) ?? body(0), bytes), 0);
  const Range = "bytes=100-199";
  const part = await client.send(new GetObjectCommand({ Bucket, Key: "k", Range }));
  const read = (await part.Body?.transformToByteArray()) ?? body(0);
  assert.equal(part.ContentRange, "bytes 100-199/200000");
  assert.equal(Buffer.compare(read, bytes.subarray(100, 200)), 0);
});

test("s3 stand-in: wrong checksums, of any kind, are refused", async () => {
  const wrong = [
    { ContentMD5: md5(body(1)).toString("base64") },
    { ChecksumCRC32: "AAAAAA==" },
    { ChecksumSHA256: createHash("sha256").digest("base64") },
  ];
  for (const header of wrong) {
    const put = { Bucket, Key: "wrong", Body: body(10), ...header };
    await assert.rejects(client.send(new PutObjectCommand(put)), { name: "BadDigest" });
  }
  const right = { ContentMD5: md5(body(10)).toString("base64") };
  await client.send(new PutObjectCommand({ Bucket, Key: "right", Body: body(10), ...right }));
});

test("s3 stand-in: what is absent is told apart, and conditions are kept", async () => {
  const get = (bucket: string) => client.send(new GetObjectCommand({ Bucket: bucket, Key: "no" }));
  await assert.rejects(get("b"), { name: "NoSuchKey" });
  await assert.rejects(get("c"), { name: "NoSuchBucket" });
  await assert.rejects(client.send(new HeadObjectCommand({ Bucket, Key: "no" })), {
    name: "NotFound",
  });
  const put = (condition: object) =>
    client.send(new PutObjectCommand({ Bucket, Key: "c", Body: body(10), ...condition }));
  const { ETag } = await put({ IfNoneMatch: "*" });
  await assert.rejects(put({ IfNoneMatch: "*" }), { name: "PreconditionFailed" });
  await assert.rejects(put({ IfMatch: '"0"' }), { name: "PreconditionFailed" });
  await put({ IfMatch: ETag });
});

test("s3 stand-in: parts are put together as named, and short, wrong or unknown ones refused", async () => {
  const Key = "parts";
  const begin = async () =>
    (await client.send(new CreateMultipartUploadCommand({ Bucket, Key }))).UploadId;
  const add = async (UploadId: string | undefined, PartNumber: number, Body: Uint8Array) => {
    const sent = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }),
    );
    return { PartNumber, ETag: sent.ETag };
  };
  const complete = async (UploadId: string | undefined, Parts: object[]) =>
    await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
  const short = await begin();
  const small = [await add(short, 1, body(10)), await add(short, 2, body(10))];
  await assert.rejects(complete(short, small), { name: "EntityTooSmall" });
  await assert.rejects(complete(short, small.toReversed()), { name: "InvalidPartOrder" });
  await assert.rejects(complete(short, [{ PartNumber: 3, ETag: '"0"' }]), { name: "InvalidPart" });
  await assert.rejects(complete("none", small), { name: "NoSuchUpload" });
  const id = await begin();
  const bytes = body(5_242_890);
  const parts = [await add(id, 1, bytes.subarray(0, 5_242_880)), await add(id, 7, body(10, 2))];
  const { ETag } = await complete(id, parts);
  const sums = Buffer.concat([md5(bytes.subarray(0, 5_242_880)), md5(body(10, 2))]);
  assert.equal(ETag, `"${md5(sums).toString("hex")}-2"`);
});
