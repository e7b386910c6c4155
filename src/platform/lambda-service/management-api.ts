// Function management over HTTP, as far as deploying a pool needs it: create, get, list, update,
// delete, reserved concurrency, account settings. Every operation is a row of a table.

import type { FunctionReference } from "./arn.ts";
import type { CodeRequest, CodeStore } from "./code-store.ts";
import { invalidParameter, resourceNotFound } from "./errors.ts";
import { renderConfiguration } from "./function-configuration.ts";
import type { DeployedFunction, FunctionRegistry } from "./functions.ts";
import type { InstancePool } from "./pool.ts";

/** What the operations work with. */
export interface ManagementParts {
  readonly registry: FunctionRegistry;
  readonly code: CodeStore;
  readonly pool: InstancePool;
  readonly accountConcurrency: number;
}

/** One management request, read. */
export interface ManagementRequest {
  /** Null for operations on the account. */
  readonly reference: FunctionReference | null;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Status and JSON body; null for none. */
export interface ManagementAnswer {
  readonly status: number;
  readonly body: unknown;
}

type Operation = (parts: ManagementParts, request: ManagementRequest) => ManagementAnswer;

const LIST_ITEMS_DEFAULT = 50;
const LIST_ITEMS_MAX = 10_000;
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** Method and path of each operation; `{name}` stands for a function reference. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  "POST /2015-03-31/functions": createFunction,
  "GET /2015-03-31/functions": listFunctions,
  "GET /2015-03-31/functions/{name}": getFunction,
  "DELETE /2015-03-31/functions/{name}": deleteFunction,
  "GET /2015-03-31/functions/{name}/configuration": (parts, request) =>
    ok(renderConfiguration(deployedOf(parts, request))),
  "PUT /2015-03-31/functions/{name}/configuration": updateConfiguration,
  "PUT /2015-03-31/functions/{name}/code": updateCode,
  "PUT /2017-10-31/functions/{name}/concurrency": putConcurrency,
  "DELETE /2017-10-31/functions/{name}/concurrency": (parts, request) => {
    parts.registry.reserve(deployedOf(parts, request).name, null);
    return { status: 204, body: null };
  },
  "GET /2019-09-30/functions/{name}/concurrency": (parts, request) =>
    ok(concurrencyOf(deployedOf(parts, request))),
  "GET /2016-08-19/account-settings": accountSettings,
};

function ok(body: unknown, status = 200): ManagementAnswer {
  return { status, body };
}

function deployedOf(parts: ManagementParts, request: ManagementRequest): DeployedFunction {
  const name = request.reference?.name ?? "";
  const qualifier = request.reference?.qualifier ?? request.query.get("Qualifier");
  if (qualifier !== null && qualifier !== "$LATEST") {
    throw resourceNotFound(`${parts.registry.arn(name)}:${qualifier}`);
  }
  return parts.registry.get(name);
}

function createFunction(parts: ManagementParts, { body }: ManagementRequest): ManagementAnswer {
  const name = body["FunctionName"];
  if (typeof name !== "string" || !NAME.test(name)) {
    throw invalidParameter("FunctionName must be 1 to 64 letters, digits, hyphens or underscores.");
  }
  parts.registry.assertFree(name);
  const code = parts.code.store(codeRequest(body["Code"]));
  return ok(renderConfiguration(parts.registry.create(name, body, code)), 201);
}

function listFunctions(parts: ManagementParts, { query }: ManagementRequest): ManagementAnswer {
  const asked = query.get("MaxItems");
  const count = asked === null ? LIST_ITEMS_DEFAULT : Number(asked);
  if (!Number.isInteger(count) || count < 1 || count > LIST_ITEMS_MAX) {
    throw invalidParameter(`MaxItems must be 1 to ${LIST_ITEMS_MAX}.`);
  }
  // The marker is the last name of the page before: right even when functions come and go.
  const after = Buffer.from(query.get("Marker") ?? "", "base64").toString("utf8");
  const rest = parts.registry.list().filter(({ name }) => name > after);
  const page = rest.slice(0, count);
  const last = page.at(-1);
  const isMore = rest.length > page.length && last !== undefined;
  return ok({
    Functions: page.map(renderConfiguration),
    ...(isMore ? { NextMarker: Buffer.from(last.name).toString("base64") } : {}),
  });
}

function getFunction(parts: ManagementParts, request: ManagementRequest): ManagementAnswer {
  const deployed = deployedOf(parts, request);
  return ok({
    Configuration: renderConfiguration(deployed),
    Code: { RepositoryType: "S3", Location: `file://${deployed.code.directory}` },
    ...(Object.keys(deployed.tags).length > 0 ? { Tags: deployed.tags } : {}),
    ...(deployed.reserved === null ? {} : { Concurrency: concurrencyOf(deployed) }),
  });
}

function deleteFunction(parts: ManagementParts, request: ManagementRequest): ManagementAnswer {
  const { name } = deployedOf(parts, request);
  parts.registry.delete(name);
  parts.pool.retire(name);
  return { status: 204, body: null };
}

function updateConfiguration(parts: ManagementParts, request: ManagementRequest): ManagementAnswer {
  const { name } = deployedOf(parts, request);
  const deployed = parts.registry.updateConfiguration(name, request.body);
  parts.pool.retire(name);
  return ok(renderConfiguration(deployed));
}

function updateCode(parts: ManagementParts, request: ManagementRequest): ManagementAnswer {
  const { name } = deployedOf(parts, request);
  const code = parts.code.store(codeRequest(request.body));
  if (request.body["DryRun"] === true) return ok(renderConfiguration(parts.registry.get(name)));
  const deployed = parts.registry.updateCode(name, code);
  parts.pool.retire(name);
  return ok(renderConfiguration(deployed));
}

function putConcurrency(parts: ManagementParts, request: ManagementRequest): ManagementAnswer {
  const { name } = deployedOf(parts, request);
  const reserved = request.body["ReservedConcurrentExecutions"];
  if (typeof reserved !== "number" || !Number.isInteger(reserved) || reserved < 0) {
    throw invalidParameter("ReservedConcurrentExecutions must be a whole number from 0 on.");
  }
  parts.registry.reserve(name, reserved);
  return ok(concurrencyOf(parts.registry.get(name)));
}

function accountSettings(parts: ManagementParts): ManagementAnswer {
  const deployed = parts.registry.list();
  return ok({
    AccountLimit: {
      TotalCodeSize: 80_530_636_800,
      CodeSizeUnzipped: 262_144_000,
      CodeSizeZipped: 52_428_800,
      ConcurrentExecutions: parts.accountConcurrency,
      UnreservedConcurrentExecutions: parts.registry.unreservedConcurrency(),
    },
    AccountUsage: {
      TotalCodeSize: deployed.reduce((total, { code }) => total + code.bytes, 0),
      FunctionCount: deployed.length,
    },
  });
}

function concurrencyOf(deployed: DeployedFunction): Record<string, number> {
  return deployed.reserved === null ? {} : { ReservedConcurrentExecutions: deployed.reserved };
}

function codeRequest(value: unknown): CodeRequest {
  return typeof value === "object" && value !== null ? value : {};
}
