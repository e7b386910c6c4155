// `status`: the state of a pool as its proxy reports it, for people or as the JSON of core/status.ts.

import type { ProxyStatus } from "../../core/status.ts";
import { callOptions, withCache } from "../client-calls.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { costTable, nodeTable, statusLines } from "../status-report.ts";

/** Prints the state. */
export async function run(
  context: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const { terminal } = context;
  return withCache<ExitName>(context, async (cache) => {
    const status = await cache.status(callOptions(context));
    if (terminal.isJson) {
      terminal.out(JSON.stringify(status));
      return "ok";
    }
    // The proxy and this command are of one package: the shape is the one of core/status.ts.
    const report = status as ProxyStatus;
    for (const line of statusLines(report)) terminal.out(line);
    terminal.out(`\n${costTable(report)}`);
    if (options["nodes"] === true) terminal.out(`\n${nodeTable(report)}`);
    return "ok";
  });
}
