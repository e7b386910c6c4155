// The local Lambda service as an unmodified AWS SDK sees it: management, the invocation types, the log
// tail, and the documented shapes of refusals.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DeleteFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  GetAccountSettingsCommand,
  GetFunctionCommand,
  GetFunctionConcurrencyCommand,
  GetFunctionConfigurationCommand,
  InvalidParameterValueException,
  InvalidRequestContentException,
  InvokeCommand,
  PutFunctionConcurrencyCommand,
  paginateListFunctions,
  RequestTooLargeException,
  ResourceConflictException,
  ResourceNotFoundException,
  TooManyRequestsException,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { writeZip } from "../../src/platform/zip-writer.ts";
import {
  FUNCTION_SOURCE,
  logOf,
  payloadOf,
  startFixture,
  until,
} from "./lambda-service-fixture.ts";

const REPORT =
  /REPORT RequestId: [0-9a-f-]{36}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: \d+ MB\t(Init Duration: \d+\.\d\d ms\t)?/;

test("management: create, get, list by pages, update, delete", async (t) => {
  const { client, create } = await startFixture(t);
  for (let index = 0; index < 7; index++) await create(`list-${index}`);
  await assert.rejects(create("list-0"), ResourceConflictException);
  const pages: number[] = [];
  const names: (string | undefined)[] = [];
  for await (const page of paginateListFunctions({ client, pageSize: 3 }, {})) {
    pages.push(page.Functions?.length ?? 0);
    names.push(...(page.Functions ?? []).map(({ FunctionName }) => FunctionName));
  }
  assert.deepEqual(pages, [3, 3, 1]);
  assert.equal(new Set(names).size, 7);
  const FunctionName = "list-0";
  const found = await client.send(new GetFunctionCommand({ FunctionName }));
  assert.equal(found.Configuration?.MemorySize, 256);
  assert.equal(found.Configuration?.State, "Active");
  assert.deepEqual(found.Configuration?.Environment?.Variables, { MINE: "yes" });
  const changed = await client.send(
    new UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 7 }),
  );
  assert.equal(changed.Timeout, 7);
  assert.equal(changed.MemorySize, 256);
  assert.notEqual(changed.RevisionId, found.Configuration?.RevisionId);
  await client.send(new DeleteFunctionCommand({ FunctionName }));
  await assert.rejects(
    client.send(new GetFunctionConfigurationCommand({ FunctionName })),
    ResourceNotFoundException,
  );
  const settings = await client.send(new GetAccountSettingsCommand({}));
  assert.equal(settings.AccountLimit?.ConcurrentExecutions, 1000);
  assert.equal(settings.AccountUsage?.FunctionCount, 6);
});

test("management: updates of code and configuration discard warm environments", async (t) => {
  const { client, create, call } = await startFixture(t);
  await create("a");
  const first = await call("a");
  assert.equal((await call("a")).instance, first.instance);
  const FunctionName = "a";
  await client.send(new UpdateFunctionConfigurationCommand({ FunctionName, MemorySize: 300 }));
  const second = await call("a");
  assert.notEqual(second.instance, first.instance);
  assert.equal(second.count, 1);
  const ZipFile = writeZip([["index.js", Buffer.from("exports.handler = async () => 'new';")]]);
  await client.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile }));
  const output = await client.send(new InvokeCommand({ FunctionName }));
  assert.equal(payloadOf(output), '"new"');
});

test("invoke: RequestResponse with payload, context, state and log tail", async (t) => {
  const { client, create, invoke } = await startFixture(t);
  await create("a");
  const cold = await invoke("a", { log: "hello", write: "raw\n" });
  assert.equal(cold.StatusCode, 200);
  assert.equal(cold.ExecutedVersion, "$LATEST");
  assert.equal(cold.FunctionError, undefined);
  const result = JSON.parse(payloadOf(cold));
  const requestId = cold.$metadata.requestId;
  assert.equal(result.context.awsRequestId, requestId);
  assert.equal(result.context.functionName, "a");
  assert.equal(result.context.memoryLimitInMB, "256");
  assert.equal(
    result.context.invokedFunctionArn,
    "arn:aws:lambda:us-east-1:000000000000:function:a",
  );
  assert.ok(result.remainingMs > 8000 && result.remainingMs <= 10_000);
  assert.equal(result.mine, "yes");
  const log = logOf(cold);
  assert.match(log, new RegExp(`START RequestId: ${requestId} Version: \\$LATEST\n`));
  assert.match(log, new RegExp(`\t${requestId}\tINFO\thello\nraw\nEND RequestId: ${requestId}\n`));
  assert.match(log, REPORT);
  assert.match(log, /Init Duration/);
  const warm = await invoke("a", { log: "y".repeat(9000) });
  assert.equal(JSON.parse(payloadOf(warm)).count, 2);
  assert.equal(logOf(warm).length, 4096);
  assert.match(logOf(warm), REPORT);
  assert.doesNotMatch(logOf(warm), /Init Duration/);
  const quiet = await client.send(
    new InvokeCommand({
      FunctionName: "arn:aws:lambda:us-east-1:000000000000:function:a:$LATEST",
      ClientContext: Buffer.from('{"custom":{"k":"v"}}').toString("base64"),
    }),
  );
  assert.equal(quiet.LogResult, undefined);
  const { context, event } = JSON.parse(payloadOf(quiet));
  assert.deepEqual(context.clientContext, { custom: { k: "v" } });
  assert.deepEqual(event, {});
});

test("invoke: Event answers 202 and runs later; DryRun answers 204 and does not run", async (t) => {
  const { client, create, call, service } = await startFixture(t, { eventRetryMs: [10, 20] });
  await create("a");
  const event = await client.send(
    new InvokeCommand({ FunctionName: "a", InvocationType: "Event", Payload: Buffer.from("{}") }),
  );
  assert.equal(event.StatusCode, 202);
  await until("the event has run", () => service.admin.counters().invocations === 1);
  const dry = await client.send(new InvokeCommand({ FunctionName: "a", InvocationType: "DryRun" }));
  assert.equal(dry.StatusCode, 204);
  assert.equal((await call("a")).count, 2);
  const failing = Buffer.from('{"throw":"always"}');
  await client.send(
    new InvokeCommand({ FunctionName: "a", InvocationType: "Event", Payload: failing }),
  );
  await until("it was tried three times", () => service.admin.counters().functionErrors === 3);
});

test("invoke: function errors, thrown and handed back, keep the environment", async (t) => {
  const { create, invoke, call } = await startFixture(t);
  await create("a");
  const first = await call("a");
  const thrown = await invoke("a", { throw: "too far" });
  assert.equal(thrown.StatusCode, 200);
  assert.equal(thrown.FunctionError, "Unhandled");
  const document = JSON.parse(payloadOf(thrown));
  assert.equal(document.errorType, "RangeError");
  assert.equal(document.errorMessage, "too far");
  assert.match(document.trace[0], /^RangeError: too far$/);
  assert.equal((await call("a")).instance, first.instance);
  await create("b", { Handler: "index.callback" });
  const handled = await invoke("b");
  assert.equal(handled.FunctionError, "Handled");
  assert.equal(JSON.parse(payloadOf(handled)).errorMessage, "handed back");
});

test("invoke: a time-out, an exit, a rejection and too much memory reset the environment", async (t) => {
  const { create, invoke, call, service } = await startFixture(t);
  await create("a", { Timeout: 1 });
  const cases = [
    {
      event: { sleepMs: 5000 },
      type: "Sandbox.Timedout",
      message: /Task timed out after 1\.00 seconds$/,
    },
    { event: { exit: 3 }, type: "Runtime.ExitError", message: /exited with error: exit status 3$/ },
    { event: { reject: true }, type: "Runtime.UnhandledPromiseRejection", message: /nobody cares/ },
    { event: { eatMb: 300 }, type: "Runtime.OutOfMemory", message: /signal: killed$/ },
  ];
  let before = "";
  for (const { event, type, message } of cases) {
    const { instance, count } = await call("a");
    assert.notEqual(instance, before);
    assert.equal(count, 1);
    before = instance;
    const output = await invoke("a", event);
    assert.equal(output.StatusCode, 200);
    assert.equal(output.FunctionError, "Unhandled");
    const document = JSON.parse(payloadOf(output));
    assert.equal(document.errorType, type);
    assert.match(document.errorMessage, message);
    assert.match(logOf(output), REPORT);
    if (type === "Sandbox.Timedout") assert.match(logOf(output), /Billed Duration: 1000 ms/);
  }
  assert.equal(service.admin.counters().timeouts, 1);
});

test("invoke: INIT that fails is a function error", async (t) => {
  const { client, create, invoke } = await startFixture(t);
  await create("a", { Handler: "index.missing" });
  assert.equal(JSON.parse(payloadOf(await invoke("a"))).errorType, "Runtime.HandlerNotFound");
  const ZipFile = writeZip([["index.js", Buffer.from("process.exit(9)")]]);
  await client.send(new UpdateFunctionCodeCommand({ FunctionName: "a", ZipFile }));
  const exited = await invoke("a");
  assert.equal(exited.FunctionError, "Unhandled");
  assert.match(payloadOf(exited), /Runtime exited with error: exit status 9/);
});

test("refusals: 404, 400 and 413 in the documented shapes", async (t) => {
  const { client, create, invoke } = await startFixture(t);
  await create("a");
  await assert.rejects(invoke("nobody"), (error) => {
    assert.ok(error instanceof ResourceNotFoundException);
    assert.equal(error.$metadata.httpStatusCode, 404);
    assert.match(error.message, /^Function not found: arn:aws:lambda:.*:function:nobody$/);
    return error.Type === "User";
  });
  const send = (Payload: Buffer, InvocationType: "Event" | "RequestResponse"): Promise<unknown> =>
    client.send(new InvokeCommand({ FunctionName: "a", Payload, InvocationType }));
  await assert.rejects(send(Buffer.from("{"), "RequestResponse"), InvalidRequestContentException);
  await assert.rejects(
    client.send(new InvokeCommand({ FunctionName: "a", Qualifier: "7" })),
    ResourceNotFoundException,
  );
  const large = (bytes: number): Buffer => Buffer.from(JSON.stringify("x".repeat(bytes)));
  await assert.rejects(send(large(6_291_456), "RequestResponse"), (error) => {
    assert.ok(error instanceof RequestTooLargeException);
    return error.$metadata.httpStatusCode === 413;
  });
  await assert.rejects(send(large(1_048_576), "Event"), RequestTooLargeException);
  assert.equal((await invoke("a", { x: "x".repeat(6_200_000) })).FunctionError, undefined);
  const response = await invoke("a", { bytes: 6_300_000 });
  assert.equal(JSON.parse(payloadOf(response)).errorType, "Function.ResponseSizeTooLarge");
  await assert.rejects(
    client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "a", MemorySize: 64 })),
    InvalidParameterValueException,
  );
});

test("refusals: 429 by reserved, by account concurrency, and by hand", async (t) => {
  const { client, create, invoke, call, service } = await startFixture(t, {
    accountConcurrency: 2,
  });
  await create("a");
  await create("b");
  const reasonOf = async (running: Promise<unknown>): Promise<string | undefined> => {
    const error = await running.then(
      () => null,
      (caught: unknown) => caught,
    );
    assert.ok(error instanceof TooManyRequestsException, String(error));
    assert.equal(error.$metadata.httpStatusCode, 429);
    assert.equal(error.retryAfterSeconds, "1");
    return error.Reason;
  };
  const busy = [invoke("a", { sleepMs: 500 }), invoke("b", { sleepMs: 500 })];
  await until("both run", () => service.admin.instances().length === 2);
  assert.equal(await reasonOf(invoke("a")), "ConcurrentInvocationLimitExceeded");
  await Promise.all(busy);
  const FunctionName = "a";
  await client.send(
    new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }),
  );
  const reserved = await client.send(new GetFunctionConcurrencyCommand({ FunctionName }));
  assert.equal(reserved.ReservedConcurrentExecutions, 0);
  assert.equal(await reasonOf(invoke("a")), "ReservedFunctionConcurrentInvocationLimitExceeded");
  await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
  await call("a");
  service.admin.setFaults({ throttleMs: 60_000 });
  assert.equal(await reasonOf(invoke("a")), "CallerRateLimitExceeded");
  service.admin.setFaults({ throttleMs: 0 });
  await call("a");
  assert.equal(service.admin.counters().throttles, 3);
});

test("recursion: a function that invokes itself is stopped after sixteen", async (t) => {
  const { create, invoke, service } = await startFixture(t);
  await create("a", { Timeout: 30 });
  const output = await invoke("a", { recurse: service.url });
  assert.deepEqual(JSON.parse(payloadOf(output)), {
    depth: 1,
    status: 400,
    type: "RecursiveInvocationException",
  });
  assert.equal(service.admin.counters().instancesStarted, 16);
});

test("signatures: demanded only when configured, and the SDK's pass", async (t) => {
  const { create, call, service } = await startFixture(t, { requireSigV4: true });
  await create("a");
  await call("a");
  const unsigned = await fetch(`${service.url}/2015-03-31/functions`);
  assert.equal(unsigned.status, 403);
  assert.equal(unsigned.headers.get("x-amzn-errortype"), "MissingAuthenticationTokenException");
});

test("code: a bundle file of this machine can be deployed by its path", async (t) => {
  const { writeFileSync, mkdtempSync, rmSync } = await import("node:fs");
  const directory = mkdtempSync("/tmp/infinicache-test-");
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(`${directory}/bundle.cjs`, FUNCTION_SOURCE);
  const { client, call, create } = await startFixture(t);
  await create("a", { Handler: "bundle.handler" });
  const code = { S3Bucket: "local-file", S3Key: `${directory}/bundle.cjs` };
  await client.send(new UpdateFunctionCodeCommand({ FunctionName: "a", ...code }));
  assert.equal((await call("a")).count, 1);
});
