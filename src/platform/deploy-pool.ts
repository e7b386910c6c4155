// Puts the functions of a pool in place, `prefix-0` to `prefix-(n-1)`, through the AWS SDK: creates
// what is missing, updates what differs, and leaves alone what is right, because any update makes
// AWS discard warm environments and with them the data.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type {
  CreateFunctionCommandInput,
  Environment,
  FunctionConfiguration,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import { functionName } from "./aws-lambda.ts";
import { createLambdaClient, type LambdaEndpoint, loadLambdaSdk } from "./lambda-client.ts";
import { writeZip } from "./zip-writer.ts";

/** The pool to be. */
export interface DeployPoolOptions extends LambdaEndpoint {
  readonly prefix: string;
  readonly nodes: number;
  readonly memoryMb: number;
  readonly timeoutS: number;
  /** Path of the function bundle, one CommonJS file that exports `handler`. */
  readonly bundle: string;
  /** Variables of a node's function; nothing that rotates belongs here. */
  readonly environment: (node: number) => Readonly<Record<string, string>>;
  /** Execution role; the local service takes any. */
  readonly role?: string;
  readonly runtime?: "nodejs22.x" | "nodejs24.x";
  readonly architecture?: "x86_64" | "arm64";
}

/** How many functions were found in which condition. */
export interface DeployPoolResult {
  created: number;
  /** Configuration, code or both differed. */
  updated: number;
  unchanged: number;
}

const LOCAL_ROLE = "arn:aws:iam::000000000000:role/infinicache-function";
const HANDLER = "index.handler";
/** AWS allows about 15 management calls a second; the SDK waits and retries beyond that. */
const CONCURRENCY = 8;
const REQUEST_MS = 60_000;
const SETTLE_S_MAX = 120;

type Sdk = typeof import("@aws-sdk/client-lambda");
type Wanted = Required<
  Pick<CreateFunctionCommandInput, "Runtime" | "Handler" | "MemorySize" | "Timeout" | "Role">
> & { readonly Environment: Environment };

/** Brings the functions into the wanted condition; a second call with the same options changes nothing. */
export async function deployPool(options: DeployPoolOptions): Promise<DeployPoolResult> {
  const client = await createLambdaClient(options, {
    socketsMax: CONCURRENCY,
    requestMs: REQUEST_MS,
    attemptsMax: 8,
  });
  try {
    const deployment = new Deployment(await loadLambdaSdk(), client, options);
    const result: DeployPoolResult = { created: 0, updated: 0, unchanged: 0 };
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < options.nodes) {
        const node = next;
        next += 1;
        result[await deployment.settle(node)] += 1;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    return result;
  } finally {
    client.destroy();
  }
}

class Deployment {
  readonly #sdk: Sdk;
  readonly #client: LambdaClient;
  readonly #options: DeployPoolOptions;
  readonly #zip: Buffer;
  readonly #zipSha256: string;

  constructor(sdk: Sdk, client: LambdaClient, options: DeployPoolOptions) {
    this.#sdk = sdk;
    this.#client = client;
    this.#options = options;
    this.#zip = writeZip([["index.cjs", readFileSync(options.bundle)]]);
    this.#zipSha256 = createHash("sha256").update(this.#zip).digest("base64");
  }

  async settle(node: number): Promise<keyof DeployPoolResult> {
    const name = functionName(this.#options.prefix, node);
    const wanted = this.#wanted(node);
    const found = await this.#find(name);
    if (found === null) {
      await this.#create(name, wanted);
      return "created";
    }
    const isCodeRight = found.CodeSha256 === this.#zipSha256;
    const isConfigurationRight = matches(found, wanted);
    if (isCodeRight && isConfigurationRight) return "unchanged";
    const { UpdateFunctionCodeCommand, UpdateFunctionConfigurationCommand } = this.#sdk;
    if (!isConfigurationRight) {
      const update = { FunctionName: name, ...wanted };
      await this.#client.send(new UpdateFunctionConfigurationCommand(update));
      await this.#waitUntilUpdated(name);
    }
    if (!isCodeRight) {
      const update = { FunctionName: name, ZipFile: this.#zip };
      await this.#client.send(new UpdateFunctionCodeCommand(update));
      await this.#waitUntilUpdated(name);
    }
    return "updated";
  }

  #wanted(node: number): Wanted {
    const { memoryMb, timeoutS, environment, role, runtime } = this.#options;
    return {
      Runtime: runtime ?? "nodejs24.x",
      Handler: HANDLER,
      MemorySize: memoryMb,
      Timeout: timeoutS,
      Role: role ?? LOCAL_ROLE,
      Environment: { Variables: { ...environment(node) } },
    };
  }

  async #find(name: string): Promise<FunctionConfiguration | null> {
    try {
      const { GetFunctionConfigurationCommand } = this.#sdk;
      return await this.#client.send(new GetFunctionConfigurationCommand({ FunctionName: name }));
    } catch (error) {
      if (error instanceof this.#sdk.ResourceNotFoundException) return null;
      throw error;
    }
  }

  async #create(name: string, wanted: Wanted): Promise<void> {
    const { CreateFunctionCommand, waitUntilFunctionActiveV2 } = this.#sdk;
    const created = await this.#client.send(
      new CreateFunctionCommand({
        FunctionName: name,
        ...wanted,
        Architectures: [this.#options.architecture ?? "x86_64"],
        Code: { ZipFile: this.#zip },
      }),
    );
    if (created.State === "Active") return;
    const waiter = { client: this.#client, maxWaitTime: SETTLE_S_MAX };
    await waitUntilFunctionActiveV2(waiter, { FunctionName: name });
  }

  async #waitUntilUpdated(name: string): Promise<void> {
    const found = await this.#find(name);
    if (found?.LastUpdateStatus === "Successful") return;
    const waiter = { client: this.#client, maxWaitTime: SETTLE_S_MAX };
    await this.#sdk.waitUntilFunctionUpdatedV2(waiter, { FunctionName: name });
  }
}

function matches(found: FunctionConfiguration, wanted: Wanted): boolean {
  const sameScalars =
    found.Runtime === wanted.Runtime &&
    found.Handler === wanted.Handler &&
    found.MemorySize === wanted.MemorySize &&
    found.Timeout === wanted.Timeout &&
    found.Role === wanted.Role;
  return sameScalars && sameVariables(found.Environment?.Variables, wanted.Environment.Variables);
}

function sameVariables(
  found: Readonly<Record<string, string>> | undefined,
  wanted: Readonly<Record<string, string>> | undefined,
): boolean {
  const sorted = (variables: Readonly<Record<string, string>> | undefined): string =>
    JSON.stringify(Object.entries(variables ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(found) === sorted(wanted);
}
