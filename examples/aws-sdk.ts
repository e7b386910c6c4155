/**
 * An AWS SDK on the local Lambda service, exactly as on AWS but for the endpoint.
 *
 *   npx infinicache lambda-service --port 6374     (in one shell; its URL is printed)
 *   node tools/node examples/aws-sdk.ts http://127.0.0.1:6374
 *
 * It deploys a function, lists, invokes in every way, is throttled, times out, prints what comes back,
 * and removes the function again.
 */
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  paginateListFunctions,
  TooManyRequestsException,
} from "@aws-sdk/client-lambda";
import { writeZip } from "../src/platform/zip-writer.ts";

const FunctionName = "example-aws-sdk";
const source = `
let count = 0;
exports.handler = async (event, context) => {
  count += 1;
  console.log("invocation", count, "of", context.functionName);
  if (event.sleepMs) await new Promise((done) => setTimeout(done, event.sleepMs));
  if (event.fail) throw new TypeError(event.fail);
  return { count, event, remainingMs: context.getRemainingTimeInMillis() };
};`;

const client = new LambdaClient({
  endpoint: process.argv[2] ?? process.env["INFINICACHE_LAMBDA_URL"] ?? "http://127.0.0.1:6374",
  region: "us-east-1",
  credentials: { accessKeyId: "any", secretAccessKey: "any" },
  maxAttempts: 1,
});

await client.send(
  new CreateFunctionCommand({
    FunctionName,
    Runtime: "nodejs24.x",
    Handler: "index.handler",
    Role: "arn:aws:iam::000000000000:role/example",
    MemorySize: 256,
    Timeout: 1,
    Code: { ZipFile: writeZip([["index.cjs", Buffer.from(source)]]) },
  }),
);
try {
  for await (const page of paginateListFunctions({ client }, {})) {
    show(
      "list",
      page.Functions?.map(({ FunctionName: name, MemorySize }) => [name, MemorySize]),
    );
  }
  await invoke("cold start", { hello: "world" });
  await invoke("warm", { hello: "again" });
  await invoke("function error", { fail: "as asked" });
  await invoke("time-out", { sleepMs: 5000 });
  await invoke("cold again: the time-out has reset the environment", {});
  const event = { FunctionName, InvocationType: "Event", Payload: "{}" } as const;
  show("event", (await client.send(new InvokeCommand(event))).StatusCode);
  const dryRun = { FunctionName, InvocationType: "DryRun" } as const;
  show("dry run", (await client.send(new InvokeCommand(dryRun))).StatusCode);
  await client.send(
    new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }),
  );
  try {
    await invoke("throttled", {});
  } catch (error) {
    if (!(error instanceof TooManyRequestsException)) throw error;
    const { name, Reason, retryAfterSeconds, $metadata } = error;
    show("throttled", { name, Reason, retryAfterSeconds, status: $metadata.httpStatusCode });
  }
  await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
} finally {
  await client.send(new DeleteFunctionCommand({ FunctionName }));
  client.destroy();
}

async function invoke(title: string, payload: object): Promise<void> {
  const output = await client.send(
    new InvokeCommand({ FunctionName, LogType: "Tail", Payload: JSON.stringify(payload) }),
  );
  show(title, {
    status: output.StatusCode,
    version: output.ExecutedVersion,
    functionError: output.FunctionError,
    payload: output.Payload?.transformToString().slice(0, 200),
  });
  const log = Buffer.from(output.LogResult ?? "", "base64").toString("utf8");
  process.stdout.write(log.replace(/^/gm, "    ").trimEnd().concat("\n\n"));
}

function show(title: string, value: unknown): void {
  console.log(`${title}:`, value);
}
