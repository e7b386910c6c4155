// The state of a pool as text for people: what `status` and the demo print. Pure.

import type { ProxyStatus } from "../core/status.ts";
import { formatTable } from "./terminal.ts";
import { formatBytes, formatDollars, formatMs } from "./units.ts";

/** The whole report, line by line. */
export function statusLines(status: ProxyStatus): string[] {
  const { nodes, counters, hot } = status;
  const states = Object.entries(nodes.byState)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`);
  const misses =
    counters.missesAbsent +
    counters.missesExpired +
    counters.missesLost +
    counters.missesUnreachable;
  const share =
    counters.gets === 0 ? "" : ` (${((100 * counters.hits) / counters.gets).toFixed(1)} %)`;
  const ring = ringLine(status);
  return [
    `pool       ${status.pool}, generation ${status.generation}, term ${status.term}, up ${formatMs(status.uptimeMs)}`,
    ...(status.superseded === null ? [] : [`superseded ${status.superseded}`]),
    ...(ring === null ? [] : [ring]),
    `nodes      ${nodes.count}: ${states.join(", ") || "none invoked yet"}`,
    `objects    ${status.objects}, ${formatBytes(status.objectBytes)} (${formatBytes(status.chunkBytes)} with parity, of ${formatBytes(status.capacityBytes)})`,
    `reads      ${counters.gets}: ${counters.hits} hits${share}, ${misses} misses (${missText(status)})`,
    `hot        ${hot.objects} small objects in ${formatBytes(hot.bytes)} of the proxy's memory; ${counters.hitsHot} hits from there, ${counters.hitsUnchanged} of what the client had`,
    `writes     ${counters.puts}: ${counters.putsFailed} failed; ${counters.removes} deletes, ${counters.evictions} evictions, ${counters.expirations} expired`,
    `instances  ${counters.instancesSeen} seen, ${counters.instancesLost} lost`,
    `backups    ${counters.backups} rounds, ${counters.backupsAborted} not completed; ${formatBytes(counters.backupBytes)} copied, ${counters.failovers} failovers`,
    repairLine(status),
    `clients    ${status.clients} connected`,
  ];
}

function repairLine({ repair, counters, cost }: ProxyStatus): string {
  const { degradedStripes, exposedStripes, underWay, dollarsLastHour } = repair;
  const exposed = exposedStripes === 0 ? "" : ` (${exposedStripes} with nothing to spare)`;
  return [
    `repairs    ${degradedStripes} stripes lack chunks${exposed}, ${underWay} in repair`,
    `${counters.repairs} chunks stored again, ${counters.repairedStripes} stripes made whole, ${counters.repairsFailed} not; ${formatBytes(counters.repairBytes)} moved`,
    `${formatDollars(cost.byPurpose.repair.dollars)}, ${formatDollars(dollarsLastHour)} of ${formatDollars(repair.dollarsPerHour)} in the last hour`,
  ].join("; ");
}

function ringLine({ ring, counters }: ProxyStatus): string | null {
  if (ring === null) return null;
  const parts = [
    `document ${ring.epoch}`,
    `${(100 * ring.share).toFixed(1)} % of the keys`,
    `${counters.movedAway} objects moved away`,
    ...(ring.isSettled ? [] : ["waiting for other proxies to come to this document"]),
    ...(ring.fault === null ? [] : [`a later document is not used: ${ring.fault}`]),
  ];
  return `ring       ${parts.join(", ")}`;
}

function missText({ counters }: ProxyStatus): string {
  const parts = [
    [counters.missesAbsent, "absent"],
    [counters.missesExpired, "expired"],
    [counters.missesLost, "lost"],
    [counters.missesUnreachable, "unreachable"],
  ] as const;
  return parts.map(([count, name]) => `${count} ${name}`).join(", ");
}

/** Invocations and money by purpose, with the sum. */
export function costTable(status: ProxyStatus): string {
  const { byPurpose, total } = status.cost;
  const rows = Object.entries(byPurpose)
    .filter(([, cost]) => cost.invocations > 0)
    .concat([["total", total]]);
  return formatTable(
    ["purpose", "invocations", "billed", "GB-seconds", "money"],
    rows.map(([name, cost]) => [
      name,
      String(cost.invocations),
      formatMs(cost.billedMs),
      cost.gbSeconds.toFixed(3),
      formatDollars(cost.dollars),
    ]),
    [1, 2, 3, 4],
  );
}

/** A row for each node. */
export function nodeTable(status: ProxyStatus): string {
  return formatTable(
    ["node", "state", "instance", "chunks", "used", "budget"],
    status.nodes.rows.map((row) => [
      String(row.node),
      row.state,
      row.instance?.slice(0, 8) ?? "-",
      String(row.chunks),
      formatBytes(row.usedBytes),
      formatBytes(row.budgetBytes),
    ]),
    [0, 3, 4, 5],
  );
}
