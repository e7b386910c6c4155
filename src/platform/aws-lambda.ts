// The platform port on AWS Lambda through the AWS SDK, or on the local service, which speaks the same
// API. One attempt each: whether to try again is decided by the link, which knows what was at stake.

import { setMaxListeners } from "node:events";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import type { NodeIndex } from "../core/ids.ts";
import type { FunctionPlatform, InvokeOutcome } from "../core/ports.ts";
import { classifyFailure } from "./invoke-failure.ts";
import { createLambdaClient, type LambdaEndpoint, loadLambdaSdk } from "./lambda-client.ts";
import { parseReport } from "./report.ts";
import { type InvokeResponse, SignedInvoke } from "./signed-invoke.ts";

/** Which functions are the nodes of the pool, and where. */
export interface AwsLambdaOptions extends LambdaEndpoint {
  /** Node 7 is the function `prefix-7`. */
  readonly prefix: string;
  readonly nodes: number;
  /** The functions' own time-out. */
  readonly timeoutS: number;
  /** `signed` (default): requests signed by the SDK's signer and sent directly. `sdk`: through all of the SDK. */
  readonly transport?: "signed" | "sdk";
}

/** After a function's time-out AWS answers within this; later the answer is lost. */
const ANSWER_MARGIN_MS = 5000;
/** Primary and replica of each node, and room for invocations whose end is not known yet. */
const SPARE_SOCKETS = 64;

/** The name of a node's function. */
export function functionName(prefix: string, node: number): string {
  return `${prefix}-${node}`;
}

type Transport = {
  send(node: NodeIndex, payload: string, signal: AbortSignal): Promise<InvokeResponse>;
  close(): void;
};

/** Whether functions at this endpoint run on machines of AWS; elsewhere one service runs all of them on its own. */
export function isAwsEndpoint(endpoint: string): boolean {
  return /\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/.test(new URL(endpoint).hostname);
}

/** Opens the platform; loads the SDK. */
export async function openAwsLambda(options: AwsLambdaOptions): Promise<FunctionPlatform> {
  const limits = {
    socketsMax: 2 * options.nodes + SPARE_SOCKETS,
    requestMs: options.timeoutS * 1000 + ANSWER_MARGIN_MS,
    attemptsMax: 1,
  };
  const client = await createLambdaClient(options, limits);
  const name = (node: NodeIndex): string => functionName(options.prefix, node);
  if (options.transport === "sdk") return new AwsLambda(await sdkTransport(client, name));
  const invoker = await SignedInvoke.open(client, limits);
  return new AwsLambda({
    send: (node, payload, signal) => invoker.invoke(name(node), payload, signal),
    close: () => {
      invoker.close();
      client.destroy();
    },
  });
}

async function sdkTransport(
  client: LambdaClient,
  name: (node: NodeIndex) => string,
): Promise<Transport> {
  const sdk = await loadLambdaSdk();
  return {
    send: async (node, payload, signal) => {
      const command = new sdk.InvokeCommand({
        FunctionName: name(node),
        InvocationType: "RequestResponse",
        LogType: "Tail",
        Payload: Buffer.from(payload),
      });
      const output = await client.send(command, { abortSignal: signal });
      return {
        payload: Buffer.from(output.Payload ?? new Uint8Array()).toString("utf8"),
        functionError: output.FunctionError ?? null,
        log: Buffer.from(output.LogResult ?? "", "base64").toString("utf8"),
      };
    },
    close: () => client.destroy(),
  };
}

class AwsLambda implements FunctionPlatform {
  readonly #transport: Transport;
  readonly #closing = new AbortController();

  constructor(transport: Transport) {
    this.#transport = transport;
    // One listener for each invocation under way.
    setMaxListeners(0, this.#closing.signal);
  }

  invoke(node: NodeIndex, payload: string, done: (outcome: InvokeOutcome) => void): void {
    // Only `send` is guarded: what `done` throws is the caller's and must not call it twice.
    void this.#send(node, payload).then(done);
  }

  close(): void {
    this.#closing.abort();
    this.#transport.close();
  }

  async #send(node: NodeIndex, payload: string): Promise<InvokeOutcome> {
    const { signal } = this.#closing;
    const closed = { kind: "unknown", message: "The platform was closed." } as const;
    if (signal.aborted) {
      return { kind: "notStarted", reason: closed.message, isThrottle: false, retryAfterMs: null };
    }
    try {
      return readOutcome(await this.#transport.send(node, payload, signal));
    } catch (error) {
      return signal.aborted ? closed : classifyFailure(error);
    }
  }
}

function readOutcome({ payload, functionError, log }: InvokeResponse): InvokeOutcome {
  const report = parseReport(log);
  if (functionError === null) return { kind: "returned", payload, report };
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
