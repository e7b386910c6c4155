// What a failed Invoke proves. Wrongly calling it "not started" could run an invocation twice; wrongly
// calling it "unknown" only costs time. So everything unlisted is unknown.

import assert from "node:assert/strict";
import { test } from "node:test";
import { classifyFailure } from "../../../src/platform/invoke-failure.ts";

const failure = (fields: object): Error => Object.assign(new Error("m"), fields);
const answered = (status: number, fields: object = {}): Error =>
  failure({ $metadata: { httpStatusCode: status }, ...fields });

test("invoke failure: a throttle was not started and says when to come again", () => {
  const error = answered(429, { name: "TooManyRequestsException", retryAfterSeconds: "2" });
  assert.deepEqual(classifyFailure(error), {
    kind: "notStarted",
    reason: "TooManyRequestsException: m",
    isThrottle: true,
    retryAfterMs: 2000,
  });
  const silent = classifyFailure(answered(429));
  assert.ok(silent.kind === "notStarted" && silent.isThrottle && silent.retryAfterMs === null);
});

test("invoke failure: a refusal or an unsent request was not started", () => {
  const cases = [
    answered(400),
    answered(403),
    answered(404, { name: "ResourceNotFoundException" }),
    answered(413),
    answered(502, { name: "ENILimitReachedException" }),
    failure({ code: "ECONNREFUSED" }),
    failure({ code: "ENOTFOUND" }),
    failure({ name: "CredentialsProviderError" }),
    failure({
      name: "TimeoutError",
      message: "the request socket did not establish a connection with the server within 1 ms.",
    }),
  ];
  for (const error of cases) {
    const outcome = classifyFailure(error);
    assert.ok(outcome.kind === "notStarted" && !outcome.isThrottle, outcome.kind);
  }
});

test("invoke failure: everything else is unknown", () => {
  const cases = [
    answered(500, { name: "ServiceException" }),
    answered(502),
    answered(503),
    failure({ code: "ECONNRESET" }),
    failure({ code: "EPIPE" }),
    failure({ name: "TimeoutError", message: "a request has exceeded the configured 1 ms" }),
    new Error("anything"),
    "a string",
    null,
  ];
  for (const error of cases) assert.equal(classifyFailure(error).kind, "unknown", String(error));
});
