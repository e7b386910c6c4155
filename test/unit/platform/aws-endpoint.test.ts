// Which endpoints are AWS: there each function has a machine of its own, elsewhere all share one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isAwsEndpoint } from "../../../src/platform/aws-lambda.ts";

test("endpoint: AWS by its host name, in every region, partition and private network", () => {
  for (const url of [
    "https://lambda.eu-central-1.amazonaws.com",
    "https://lambda-fips.us-gov-west-1.amazonaws.com/",
    "https://lambda.cn-north-1.amazonaws.com.cn",
    "https://lambda.eu-west-1.api.aws",
    "https://vpce-0a1b-x.lambda.us-east-1.vpce.amazonaws.com:443",
  ])
    assert.ok(isAwsEndpoint(url), url);
});

test("endpoint: whatever else speaks that API is one service with its functions on one machine", () => {
  for (const url of [
    "http://127.0.0.1:6374",
    "http://[::1]:6374",
    "http://lambda.internal:9001",
    "http://amazonaws.com.example.org",
    "http://notamazonaws.com",
  ])
    assert.ok(!isAwsEndpoint(url), url);
});
