// What the end-to-end tests of the local Lambda service share: a function that does as its event says,
// and a service with an unmodified AWS SDK client before it. Everything is closed with the test.

import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import {
  CreateFunctionCommand,
  InvokeCommand,
  type InvokeCommandOutput,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import type { LambdaServiceOptions } from "../../src/platform/lambda-service/options.ts";
import {
  type LambdaService,
  startLambdaService,
} from "../../src/platform/lambda-service/service.ts";
import { writeZip } from "../../src/platform/zip-writer.ts";

/** The function under test, as its user would write it. */
export const FUNCTION_SOURCE = `
const http = require("node:http");
const net = require("node:net");
const state = { count: 0, ticks: 0, instance: require("node:crypto").randomUUID() };
setInterval(() => { state.ticks += 1; }, 20);
let socket = null;
const eaten = [];
exports.handler = async (event, context) => {
  state.count += 1;
  if (event.log) console.log(event.log);
  if (event.write) process.stdout.write(event.write);
  if (event.sleepMs) await new Promise((done) => setTimeout(done, event.sleepMs));
  if (event.throw) throw new RangeError(event.throw);
  if (event.exit !== undefined) process.exit(event.exit);
  if (event.reject) { Promise.reject(new Error("nobody cares")); await new Promise(() => {}); }
  if (event.bytes) return "x".repeat(event.bytes);
  if (event.eatMb) { eaten.push(Buffer.alloc(event.eatMb << 20, 1)); await new Promise((done) => setTimeout(done, 1000)); }
  if (event.recurse) return recurse(event, context);
  if (event.dial) await dial(event.dial);
  if (event.send) await new Promise((done) => socket.write(Buffer.alloc(event.send), done));
  return { ...state, pid: process.pid, context: JSON.parse(JSON.stringify(context)), event,
    remainingMs: context.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID, mine: process.env.MINE,
    compiled: require("node:module").getCompileCacheDir() };
};
exports.callback = (event, context, done) => { done(new Error("handed back")); };
function recurse(event, context) {
  return new Promise((done, fail) => {
    const request = http.request(event.recurse + "/2015-03-31/functions/" + context.functionName + "/invocations", {
      method: "POST", headers: { "X-Amzn-Trace-Id": process.env._X_AMZN_TRACE_ID } }, (response) => {
        let text = ""; response.on("data", (part) => { text += part; });
        response.on("end", () => done(response.statusCode === 200 ? JSON.parse(text) :
          { depth: state.count, status: response.statusCode, type: response.headers["x-amzn-errortype"] }));
      });
    request.on("error", fail);
    request.end(JSON.stringify(event));
  });
}
function dial(target) {
  const [host, port] = (process.env.INFINICACHE_LOCAL_FORWARDER ?? target).split(":");
  return new Promise((done, fail) => {
    socket = net.connect(Number(port), host, () => {
      if (!process.env.INFINICACHE_LOCAL_FORWARDER) return done();
      socket.write("CONNECT " + target + "\\n");
      socket.once("data", (answer) => String(answer) === "OK\\n" ? done() : fail(new Error(String(answer))));
    });
    socket.on("error", fail);
    setInterval(() => { socket.write("tick"); }, 20);
  });
}
`;

/** A service, a client before it, and shorthands. */
export interface Fixture {
  readonly service: LambdaService;
  readonly client: LambdaClient;
  readonly create: (
    name: string,
    change?: { Timeout?: number; MemorySize?: number; Handler?: string },
  ) => Promise<void>;
  readonly invoke: (name: string, event?: object) => Promise<InvokeCommandOutput>;
  /** Invokes and returns what the handler returned; a function error throws. */
  readonly call: (name: string, event?: object) => Promise<CallResult>;
}

/** What the function answers by default. */
export interface CallResult {
  readonly count: number;
  readonly ticks: number;
  readonly instance: string;
  readonly pid: number;
  readonly remainingMs: number;
  readonly trace: string;
  /** Where instances keep compiled code for each other. */
  readonly compiled: string;
  readonly context: Readonly<Record<string, unknown>>;
}

/** Starts a service that ends with the test. */
export async function startFixture(
  t: TestContext,
  options: LambdaServiceOptions = {},
): Promise<Fixture> {
  const service = await startLambdaService(options);
  const client = new LambdaClient({
    endpoint: service.url,
    region: "us-east-1",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    maxAttempts: 1,
  });
  t.after(async () => {
    client.destroy();
    await service.close();
  });
  const invoke: Fixture["invoke"] = (name, event = {}) =>
    client.send(
      new InvokeCommand({
        FunctionName: name,
        Payload: Buffer.from(JSON.stringify(event)),
        LogType: "Tail",
      }),
    );
  return {
    service,
    client,
    invoke,
    create: async (name, change = {}) => {
      await client.send(
        new CreateFunctionCommand({
          FunctionName: name,
          Role: "arn:aws:iam::000000000000:role/test",
          Runtime: "nodejs24.x",
          Handler: "index.handler",
          MemorySize: 256,
          Timeout: 10,
          Environment: { Variables: { MINE: "yes" } },
          Code: { ZipFile: writeZip([["index.cjs", Buffer.from(FUNCTION_SOURCE)]]) },
          ...change,
        }),
      );
    },
    call: async (name, event) => {
      const output = await invoke(name, event);
      const text = payloadOf(output);
      if (output.FunctionError !== undefined) throw new Error(text);
      // Proof of the cast: the shape that FUNCTION_SOURCE returns.
      return JSON.parse(text) as CallResult;
    },
  };
}

/** The payload as text. */
export function payloadOf(output: InvokeCommandOutput): string {
  return Buffer.from(output.Payload ?? new Uint8Array()).toString("utf8");
}

/** The log tail as text. */
export function logOf(output: InvokeCommandOutput): string {
  return Buffer.from(output.LogResult ?? "", "base64").toString("utf8");
}

/** Asks until the answer is true; fails after `waitMsMax`. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  waitMsMax = 5000,
): Promise<void> {
  const end = performance.now() + waitMsMax;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`Not within ${waitMsMax} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** A TCP server that counts what it receives, closed with the test. */
export async function startSink(
  t: TestContext,
): Promise<{ readonly address: string; readonly sockets: Socket[]; bytes(): number }> {
  let bytes = 0;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (part) => {
      bytes += part.length;
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { address: `127.0.0.1:${port}`, sockets, bytes: () => bytes };
}

/** True when the process exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resolves when a connection is refused. */
export function isRefused(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      done(false);
    });
    socket.on("error", () => done(true));
  });
}
