// The configuration of one function: reads a request body over what was there before, checks AWS's
// ranges, and renders the `FunctionConfiguration` shape. Pure.

import { invalidParameter } from "./errors.ts";
import type { DeployedFunction } from "./functions.ts";

/** What UpdateFunctionConfiguration can change. */
export interface FunctionConfiguration {
  readonly description: string;
  readonly role: string;
  readonly runtime: string;
  /** `file.export`. */
  readonly handler: string;
  readonly memoryMb: number;
  readonly timeoutS: number;
  readonly architecture: "x86_64" | "arm64";
  readonly environment: Readonly<Record<string, string>>;
}

const RUNTIME = /^nodejs\d{2}\.x$/;
const MEMORY_MB_MIN = 128;
const MEMORY_MB_MAX = 10_240;
const TIMEOUT_S_MAX = 900;
const ENVIRONMENT_BYTES_MAX = 4096;
/** Names the platform sets itself; AWS refuses them in a configuration. */
const RESERVED_NAME =
  /^(_HANDLER|_X_AMZN_TRACE_ID|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR|AWS_(REGION|DEFAULT_REGION|ACCESS_KEY|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_(FUNCTION|LOG|RUNTIME|INITIALIZATION)_.*))$/;

/** Reads a body of CreateFunction (before = null) or UpdateFunctionConfiguration. */
export function parseConfiguration(
  body: Readonly<Record<string, unknown>>,
  before: FunctionConfiguration | null,
): FunctionConfiguration {
  const text = (field: string, fallback: string | undefined): string => {
    const value = body[field] ?? fallback;
    if (typeof value !== "string") throw invalidParameter(`${field} must be a string.`);
    return value;
  };
  const count = (field: string, fallback: number, min: number, max: number): number => {
    const value = body[field] ?? fallback;
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw invalidParameter(
        `Value '${JSON.stringify(value)}' at '${field}' failed to satisfy constraint: ${min}..${max}`,
      );
    }
    return value;
  };
  const configuration: FunctionConfiguration = {
    description: text("Description", before?.description ?? ""),
    role: text("Role", before?.role),
    runtime: text("Runtime", before?.runtime),
    handler: text("Handler", before?.handler),
    memoryMb: count("MemorySize", before?.memoryMb ?? 128, MEMORY_MB_MIN, MEMORY_MB_MAX),
    timeoutS: count("Timeout", before?.timeoutS ?? 3, 1, TIMEOUT_S_MAX),
    architecture: before?.architecture ?? parseArchitecture(body["Architectures"]),
    environment: parseEnvironment(body["Environment"], before?.environment ?? {}),
  };
  if (!RUNTIME.test(configuration.runtime)) {
    throw invalidParameter(`Runtime ${configuration.runtime}: the local service runs nodejsNN.x.`);
  }
  if (!/^[^\s.][^\s]*\.[^\s.]+$/.test(configuration.handler)) {
    throw invalidParameter(`Handler ${configuration.handler} must look like file.export.`);
  }
  return configuration;
}

/** The shape AWS returns for a function. */
export function renderConfiguration(deployed: DeployedFunction): Record<string, unknown> {
  const { configuration, code } = deployed;
  const hasEnvironment = Object.keys(configuration.environment).length > 0;
  return {
    FunctionName: deployed.name,
    FunctionArn: deployed.arn,
    Runtime: configuration.runtime,
    Role: configuration.role,
    Handler: configuration.handler,
    CodeSize: code.bytes,
    Description: configuration.description,
    Timeout: configuration.timeoutS,
    MemorySize: configuration.memoryMb,
    LastModified: new Date(deployed.lastModifiedMs).toISOString().replace("Z", "+0000"),
    CodeSha256: code.sha256,
    Version: "$LATEST",
    ...(hasEnvironment ? { Environment: { Variables: configuration.environment } } : {}),
    TracingConfig: { Mode: "PassThrough" },
    RevisionId: deployed.revisionId,
    State: "Active",
    LastUpdateStatus: "Successful",
    PackageType: "Zip",
    Architectures: [configuration.architecture],
    EphemeralStorage: { Size: 512 },
  };
}

function parseArchitecture(value: unknown): "x86_64" | "arm64" {
  const first: unknown = Array.isArray(value) ? value[0] : "x86_64";
  if (first === "x86_64" || first === "arm64") return first;
  throw invalidParameter("Architectures must be [x86_64] or [arm64].");
}

function parseEnvironment(
  value: unknown,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return before;
  const variables = typeof value === "object" && "Variables" in value ? value.Variables : {};
  if (typeof variables !== "object" || variables === null) {
    throw invalidParameter("Environment.Variables must be an object of strings.");
  }
  const environment: Record<string, string> = {};
  let bytes = 0;
  for (const [name, content] of Object.entries(variables as Record<string, unknown>)) {
    if (typeof content !== "string" || !/^[a-zA-Z][a-zA-Z0-9_]*$/.test(name)) {
      throw invalidParameter(`Environment variable ${name} is not a name with a string.`);
    }
    if (RESERVED_NAME.test(name)) {
      throw invalidParameter(
        "Lambda was unable to configure your environment variables because the environment " +
          `variables you have provided contains reserved keys: ${name}`,
      );
    }
    bytes += Buffer.byteLength(name) + Buffer.byteLength(content);
    environment[name] = content;
  }
  if (bytes > ENVIRONMENT_BYTES_MAX) {
    throw invalidParameter("Environment variables exceed the 4KB limit.");
  }
  return environment;
}
