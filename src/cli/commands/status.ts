// `status`: the state of a pool as its proxy reports it, for people or as the JSON of core/status.ts.

import type { RingReport } from "../../client/everyone.ts";
import type { ProxyStatus } from "../../core/status.ts";
import { callOptions, withCache } from "../client-calls.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { costTable, nodeTable, statusLines } from "../status-report.ts";
import type { Terminal } from "../terminal.ts";

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
    // The proxy and this command are of one package: the shapes are those of core/status.ts and client/everyone.ts.
    const report = status as ProxyStatus | RingReport;
    const rows = "proxies" in report ? report.proxies : [{ id: "", status: report }];
    for (const [at, row] of rows.entries()) {
      if (at > 0) terminal.out("");
      if ("error" in row) terminal.out(`pool       ${row.id}: no answer: ${row.error}`);
      else print(terminal, row.status, options["nodes"] === true);
    }
    return "ok";
  });
}

function print(terminal: Terminal, report: ProxyStatus, withNodes: boolean): void {
  for (const line of statusLines(report)) terminal.out(line);
  terminal.out(`\n${costTable(report)}`);
  if (withNodes) terminal.out(`\n${nodeTable(report)}`);
}
