// The platform port on AWS Lambda through the AWS SDK, or on the local service, which speaks the same
// API. One attempt each: whether to try again is decided by the link, which knows what was at stake.

import type { InvokeCommand, InvokeCommandOutput, LambdaClient } from "@aws-sdk/client-lambda";
import type { NodeIndex } from "../core/ids.ts";
import type { FunctionPlatform, InvokeOutcome } from "../core/ports.ts";
import { classifyFailure } from "./invoke-failure.ts";
import { createLambdaClient, type LambdaEndpoint, loadLambdaSdk } from "./lambda-client.ts";
import { parseReport } from "./report.ts";

/** Which functions are the nodes of the pool, and where. */
export interface AwsLambdaOptions extends LambdaEndpoint {
  /** Node 7 is the function `prefix-7`. */
  readonly prefix: string;
  readonly nodes: number;
  /** The functions' own time-out. */
  readonly timeoutS: number;
}

/** After a function's time-out AWS answers within this; later the answer is lost. */
const ANSWER_MARGIN_MS = 5000;
/** Primary and replica of each node, and room for invocations whose end is not known yet. */
const SPARE_SOCKETS = 64;

/** The name of a node's function. */
export function functionName(prefix: string, node: number): string {
  return `${prefix}-${node}`;
}

/** Opens the platform; loads the SDK. */
export async function openAwsLambda(options: AwsLambdaOptions): Promise<FunctionPlatform> {
  const client = await createLambdaClient(options, {
    socketsMax: 2 * options.nodes + SPARE_SOCKETS,
    requestMs: options.timeoutS * 1000 + ANSWER_MARGIN_MS,
    attemptsMax: 1,
  });
  const sdk = await loadLambdaSdk();
  return new AwsLambda(
    client,
    (node, payload) =>
      new sdk.InvokeCommand({
        FunctionName: functionName(options.prefix, node),
        InvocationType: "RequestResponse",
        LogType: "Tail",
        Payload: Buffer.from(payload),
      }),
  );
}

type CommandOf = (node: NodeIndex, payload: string) => InvokeCommand;

class AwsLambda implements FunctionPlatform {
  readonly #client: LambdaClient;
  readonly #command: CommandOf;
  readonly #closing = new AbortController();

  constructor(client: LambdaClient, command: CommandOf) {
    this.#client = client;
    this.#command = command;
  }

  invoke(node: NodeIndex, payload: string, done: (outcome: InvokeOutcome) => void): void {
    // Only `send` is guarded: what `done` throws is the caller's and must not call it twice.
    void this.#send(node, payload).then(done);
  }

  close(): void {
    this.#closing.abort();
    this.#client.destroy();
  }

  async #send(node: NodeIndex, payload: string): Promise<InvokeOutcome> {
    const { signal } = this.#closing;
    const closed = { kind: "unknown", message: "The platform was closed." } as const;
    if (signal.aborted) {
      return { kind: "notStarted", reason: closed.message, isThrottle: false, retryAfterMs: null };
    }
    try {
      const command = this.#command(node, payload);
      return readOutput(await this.#client.send(command, { abortSignal: signal }));
    } catch (error) {
      return signal.aborted ? closed : classifyFailure(error);
    }
  }
}

function readOutput(output: InvokeCommandOutput): InvokeOutcome {
  const payload = Buffer.from(output.Payload ?? new Uint8Array()).toString("utf8");
  const log = Buffer.from(output.LogResult ?? "", "base64").toString("utf8");
  const report = parseReport(log);
  if (output.FunctionError === undefined) return { kind: "returned", payload, report };
  const { errorType, errorMessage } = readErrorDocument(payload);
  return { kind: "crashed", errorType, message: errorMessage, report };
}

function readErrorDocument(payload: string): { errorType: string; errorMessage: string } {
  try {
    const value: unknown = JSON.parse(payload);
    if (typeof value === "object" && value !== null) {
      const errorType = "errorType" in value ? String(value.errorType) : "Unknown";
      const errorMessage = "errorMessage" in value ? String(value.errorMessage) : payload;
      return { errorType, errorMessage };
    }
  } catch {
    // Not a document; told as it is.
  }
  return { errorType: "Unknown", errorMessage: payload };
}
