/**
 * The library inside a function: a program that nobody can dial works with the cache by outbound connections alone.
 *
 *   npx infinicache up --detach                    (prints the client address and the Lambda service's URL)
 *   node tools/node examples/in-a-function.ts 127.0.0.1:6370 http://127.0.0.1:6374
 *
 * It bundles a handler with the library, deploys it on the same Lambda service beside the cache's own functions, has it
 * put and read an object, reads the object from here, and removes the function again. On AWS the handler is the same.
 */
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  InvokeCommand,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import { build, stop } from "esbuild";
import { connect } from "../src/entry/library.ts";
import { writeZip } from "../src/platform/zip-writer.ts";

const [url = "127.0.0.1:6370", endpoint = "http://127.0.0.1:6374"] = process.argv.slice(2);
const FunctionName = "example-in-a-function";

// In an application the import is "infinicache". The connection is made once, outlives invocations, and is dialled again
// when it did not survive the sleep between two of them. Without `direct` nothing ever dials the function.
const handlerSource = `
import { connect } from "./src/entry/library.ts";
const cache = connect({ url: process.env.CACHE_URL, unreachableMs: 3000 });
export async function handler({ key, bytes }) {
  await cache.put(key, new Uint8Array(bytes).fill(7));
  const read = await cache.get(key);
  if (read.kind === "miss") return { kind: read.kind, reason: read.reason };
  return { kind: "hit", bytes: read.bytes.length, last: read.bytes.at(-1) };
}`;

const bundle = await build({
  stdin: { contents: handlerSource, resolveDir: new URL("..", import.meta.url).pathname },
  bundle: true,
  platform: "node",
  format: "cjs",
  write: false,
  logLevel: "silent",
});
await stop();
const code = bundle.outputFiles[0]?.contents ?? new Uint8Array(0);

const lambda = new LambdaClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "any", secretAccessKey: "any" },
});
const cache = connect({ url });
await lambda.send(
  new CreateFunctionCommand({
    FunctionName,
    Runtime: "nodejs24.x",
    Handler: "index.handler",
    Role: "arn:aws:iam::000000000000:role/example",
    MemorySize: 256,
    Timeout: 20,
    Environment: { Variables: { CACHE_URL: url } },
    Code: { ZipFile: writeZip([["index.cjs", Buffer.from(code)]]) },
  }),
);
try {
  // Twice: between two invocations the function is frozen, and its connection with it.
  for (const key of ["first", "second"]) {
    const Payload = JSON.stringify({ key, bytes: 5_000_000 });
    const { Payload: answer } = await lambda.send(new InvokeCommand({ FunctionName, Payload }));
    console.log(`In the function: ${answer?.transformToString()}`);
    const read = await cache.get(key);
    if (read.kind === "miss") throw new Error(`${key} is not there: ${read.reason}`);
    console.log(`Here: ${read.bytes.length} bytes, the last one is ${read.bytes.at(-1)}`);
  }
} finally {
  await lambda.send(new DeleteFunctionCommand({ FunctionName }));
  lambda.destroy();
  await cache.close();
}
