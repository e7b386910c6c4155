// A service in a process of its own, for tests that kill it: prints its URL, keeps some instances
// frozen and one busy, and waits.

import { CreateFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { startLambdaService } from "../../src/platform/lambda-service/service.ts";
import { writeZip } from "../../src/platform/zip-writer.ts";
import { FUNCTION_SOURCE } from "./lambda-service-fixture.ts";

const service = await startLambdaService();
const client = new LambdaClient({
  endpoint: service.url,
  region: "us-east-1",
  credentials: { accessKeyId: "a", secretAccessKey: "b" },
});
const names = ["a", "b", "c", "d", "busy"];
for (const FunctionName of names) {
  await client.send(
    new CreateFunctionCommand({
      FunctionName,
      Role: "arn:aws:iam::000000000000:role/test",
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      MemorySize: 128,
      Timeout: 60,
      Code: { ZipFile: writeZip([["index.cjs", Buffer.from(FUNCTION_SOURCE)]]) },
    }),
  );
}
await Promise.all(names.map((FunctionName) => client.send(new InvokeCommand({ FunctionName }))));
const Payload = Buffer.from('{"sleepMs":60000}');
void client.send(new InvokeCommand({ FunctionName: "busy", Payload })).catch(() => {});
service.admin.freeze({ function: "d" });
setTimeout(() => {
  const instances = service.admin.instances().map(({ pid, state }) => ({ pid, state }));
  process.stdout.write(`${JSON.stringify({ url: service.url, instances })}\n`);
}, 200);
