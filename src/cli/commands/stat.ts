// `stat`: what is known of an object without fetching it. It never touches a function.

import type { ObjectInfo } from "../../client/api.ts";
import { formatCode } from "../../core/code.ts";
import { callOptions, tellMiss, withCache } from "../client-calls.ts";
import type { CommandContext } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { formatBytes } from "../units.ts";

/** Describes the key `args[0]`. */
export async function run(context: CommandContext, args: readonly string[]): Promise<ExitName> {
  const { terminal } = context;
  const [key = ""] = args;
  return withCache(context, async (cache) => {
    const found = await cache.stat(key, callOptions(context));
    if (found.kind === "miss") return tellMiss(context, key, found);
    const { object } = found;
    if (terminal.isJson) {
      terminal.out(JSON.stringify({ hit: true, ...object, code: formatCode(object.code) }));
    } else for (const line of lines(object)) terminal.out(line);
    return "ok";
  });
}

function lines(object: ObjectInfo): string[] {
  return [
    `key      ${object.key}`,
    `size     ${formatBytes(object.bytes)} (${object.bytes} bytes)`,
    `version  ${object.version}`,
    `code     ${formatCode(object.code)}, ${object.stripes} ${object.stripes === 1 ? "stripe" : "stripes"}`,
    `stored   ${object.createdAt.toISOString()}`,
    `expires  ${object.expiresAt === null ? "never" : object.expiresAt.toISOString()}`,
    ...Object.entries(object.metadata).map(([name, value]) => `meta     ${name}=${value}`),
  ];
}
