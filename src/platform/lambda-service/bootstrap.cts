// What runs in an instance's process: polls the Runtime API, calls the bundle's handler, reports
// results and errors. The managed runtime does this on AWS. It stays lean, since every instance pays
// for it: CommonJS, no node:http (a socket and forty lines of HTTP/1.1 do), nothing loaded twice, and code that another
// instance has compiled is taken from there.
// Types here are erased before it runs; it imports nothing of this repository.

(() => {
  const modules: typeof import("node:module") = require("node:module");
  const compiled = variable("INFINICACHE_LOCAL_COMPILED");
  if (compiled !== "") modules.enableCompileCache(compiled);
  delete process.env["INFINICACHE_LOCAL_COMPILED"];
  const net: typeof import("node:net") = require("node:net");
  const fs: typeof import("node:fs") = require("node:fs");
  const util: typeof import("node:util") = require("node:util");
  const path: typeof import("node:path") = require("node:path");

  type Headers = Map<string, string>;
  type Handler = (event: unknown, context: object, callback?: Callback) => unknown;
  type Callback = (error: unknown, result?: unknown) => void;

  const API = "/2018-06-01/runtime";
  const instance = variable("INFINICACHE_LOCAL_INSTANCE");
  delete process.env["INFINICACHE_LOCAL_INSTANCE"];
  let requestId = "";

  function variable(name: string): string {
    return process.env[name] ?? "";
  }

  const [host, port] = variable("AWS_LAMBDA_RUNTIME_API").split(":");
  const socket = net.connect({ host: host ?? "", port: Number(port), noDelay: true });
  // Without the service there is nothing left to do here.
  socket.on("error", () => process.exit(1));
  socket.on("close", () => process.exit(1));

  const waiting: ((headers: Headers, body: Buffer) => void)[] = [];
  let input: Buffer = Buffer.alloc(0);
  socket.on("data", (part: Buffer) => {
    input = input.length === 0 ? part : Buffer.concat([input, part]);
    for (;;) {
      const end = input.indexOf("\r\n\r\n");
      if (end < 0) return;
      const headers: Headers = new Map();
      for (const line of input.toString("latin1", 0, end).split("\r\n").slice(1)) {
        const colon = line.indexOf(":");
        headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
      }
      const until = end + 4 + Number(headers.get("content-length") ?? 0);
      if (input.length < until) return;
      const body = input.subarray(end + 4, until);
      input = input.subarray(until);
      waiting.shift()?.(headers, body);
    }
  });

  function request(
    method: string,
    url: string,
    body: string,
    headers: string,
    answer: (headers: Headers, body: Buffer) => void,
  ): void {
    waiting.push(answer);
    socket.write(
      `${method} ${API}${url} HTTP/1.1\r\nHost: runtime\r\nInfinicache-Instance: ${instance}\r\n` +
        `${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  function describe(error: unknown, fallbackType: string): string {
    if (!(error instanceof Error)) {
      return JSON.stringify({ errorType: fallbackType, errorMessage: String(error), trace: [] });
    }
    const trace = (error.stack ?? "").split("\n");
    return JSON.stringify({ errorType: error.name, errorMessage: error.message, trace });
  }

  function write(text: string): void {
    const bytes = Buffer.from(text);
    let at = 0;
    for (let tries = 0; at < bytes.length && tries < 1000; tries++) {
      try {
        at += fs.writeSync(1, bytes, at);
      } catch {
        // The pipe is full and not blocking, since the function touched process.stdout.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
  }

  const levels = {
    debug: "DEBUG",
    error: "ERROR",
    info: "INFO",
    log: "INFO",
    trace: "TRACE",
    warn: "WARN",
  };
  for (const [method, level] of Object.entries(levels)) {
    Object.defineProperty(console, method, {
      configurable: true,
      writable: true,
      value: (...words: unknown[]) => {
        const head = `${new Date().toISOString()}\t${requestId || "undefined"}\t${level}\t`;
        write(`${head}${util.format(...words)}\n`);
      },
    });
  }

  async function load(): Promise<Handler> {
    const handler = variable("_HANDLER");
    const dot = handler.lastIndexOf(".");
    const root = path.join(variable("LAMBDA_TASK_ROOT"), handler.slice(0, dot));
    const file = [".cjs", ".js", ".mjs"]
      .map((end) => root + end)
      .find((name) => fs.existsSync(name));
    if (file === undefined) {
      throw named(
        "Runtime.ImportModuleError",
        `Error: Cannot find module '${handler.slice(0, dot)}'`,
      );
    }
    const loaded: unknown = file.endsWith(".mjs") ? await import(file) : require(file);
    const name = handler.slice(dot + 1);
    const found = (loaded as Record<string, unknown> | null | undefined)?.[name];
    if (typeof found === "function") return found as Handler;
    throw named("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  }

  function named(name: string, message: string): Error {
    return Object.assign(new Error(message), { name });
  }

  function contextOf(headers: Headers): object {
    const deadline = Number(headers.get("lambda-runtime-deadline-ms"));
    const client = headers.get("lambda-runtime-client-context");
    return {
      callbackWaitsForEmptyEventLoop: true,
      functionName: variable("AWS_LAMBDA_FUNCTION_NAME"),
      functionVersion: variable("AWS_LAMBDA_FUNCTION_VERSION"),
      invokedFunctionArn: headers.get("lambda-runtime-invoked-function-arn"),
      memoryLimitInMB: variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
      awsRequestId: requestId,
      logGroupName: variable("AWS_LAMBDA_LOG_GROUP_NAME"),
      logStreamName: variable("AWS_LAMBDA_LOG_STREAM_NAME"),
      clientContext: client === undefined ? undefined : (JSON.parse(client) as unknown),
      identity: undefined,
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    };
  }

  function call(handler: Handler, event: unknown, context: object): Promise<unknown> {
    if (handler.length < 3) return Promise.resolve(handler(event, context));
    return new Promise((resolve, reject) => {
      const result = handler(event, context, (error, value) => {
        if (error === null || error === undefined) resolve(value);
        else reject({ handled: error });
      });
      if (result instanceof Promise) result.then(resolve, reject);
    });
  }

  function poll(handler: Handler): void {
    request("GET", "/invocation/next", "", "", (headers, body) => {
      void run(handler, headers, body);
    });
  }

  async function run(handler: Handler, headers: Headers, body: Buffer): Promise<void> {
    requestId = headers.get("lambda-runtime-aws-request-id") ?? "";
    process.env["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id") ?? "";
    let reply: string;
    let url = "response";
    let extra = "";
    try {
      const event: unknown = JSON.parse(body.toString("utf8"));
      const result = await call(handler, event, contextOf(headers));
      reply = JSON.stringify(result) ?? "null";
    } catch (thrown) {
      const isHandled = typeof thrown === "object" && thrown !== null && "handled" in thrown;
      const error: unknown = isHandled ? thrown.handled : thrown;
      reply = describe(error, typeof error);
      url = "error";
      extra = isHandled ? "Lambda-Runtime-Function-Error-Type: Handled\r\n" : "";
      console.error("Invoke Error", reply);
    }
    // The result and the next poll leave together: with the poll the service knows that all is said.
    socket.cork();
    request("POST", `/invocation/${requestId}/${url}`, reply, extra, () => {});
    poll(handler);
    socket.uncork();
  }

  function die(type: string, error: unknown): void {
    const { errorMessage, trace } = JSON.parse(describe(error, type)) as Record<string, unknown>;
    const report = JSON.stringify({ errorType: type, errorMessage, trace });
    console.error(type, report);
    const url = requestId === "" ? "/init/error" : `/invocation/${requestId}/error`;
    request("POST", url, report, "", () => process.exit(128));
    // The service may have stopped listening; the process must end in any case.
    setTimeout(() => process.exit(128), 200);
  }

  process.on("uncaughtException", (error) => die("Runtime.UncaughtException", error));
  process.on("unhandledRejection", (error) => die("Runtime.UnhandledPromiseRejection", error));

  /**
   * A process that mostly sleeps would keep what starting left behind: 1.4 of its 12 MB. Once, before the first invocation,
   * all of it is collected, and no function sees by what.
   */
  function tidy(): void {
    const { gc } = globalThis as { gc?: (options: object) => void };
    gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    Reflect.deleteProperty(globalThis, "gc");
  }

  function begin(handler: Handler): void {
    // Now, for instances do not end: they are killed. Writes what was not there when this one began.
    modules.flushCompileCache();
    tidy();
    poll(handler);
  }

  load().then(begin, (error: unknown) => {
    const name = error instanceof Error ? error.name : "Error";
    die(name.startsWith("Runtime.") ? name : "Runtime.ImportModuleError", error);
  });
})();
