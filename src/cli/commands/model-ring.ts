// `model ring`: what consistent hashing is for, as a table: how evenly it spreads keys and how few it moves when one
// more proxy comes, against taking the hash modulo their number. Computed by the ring that proxies and clients use.

import type { Membership } from "../../core/membership.ts";
import { buildRing, ringHash } from "../../core/ring.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { OptionReader } from "../option-reader.ts";
import { formatTable } from "../terminal.ts";

const PROXIES_MAX = 100;
const KEYS_MAX = 1_000_000;
const VIRTUAL_NODES = [1, 2, 16, 256];

interface Row {
  readonly name: string;
  /** The largest and the smallest number of keys of a proxy, by their mean. */
  readonly most: number;
  readonly least: number;
  /** Part of the keys that have another owner when one more proxy is there. */
  readonly moved: number;
}

/** Prints the table. */
export async function ring(
  { terminal }: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const reader = new OptionReader(options);
  const proxies = reader.count("proxies", 1, PROXIES_MAX);
  const count = reader.count("keys", 1, KEYS_MAX);
  reader.finish();
  const keys = Array.from({ length: count }, (_, at) => `key-${at}`);
  const rows = [
    rowOf("hash mod K", keys, proxies, (of) => (key) => ringHash(key) % of),
    ...VIRTUAL_NODES.flatMap((virtualNodes) => [
      rowOf(`${virtualNodes} virtual, no bound`, keys, proxies, ringOf(virtualNodes, Infinity)),
      rowOf(`${virtualNodes} virtual, bounded`, keys, proxies, ringOf(virtualNodes)),
    ]),
  ];
  if (terminal.isJson) {
    terminal.out(JSON.stringify({ proxies, keys: count, leastMoved: 1 / (proxies + 1), rows }));
    return "ok";
  }
  terminal.out(`${count} keys on ${proxies} proxies, and then on ${proxies + 1}:\n`);
  const cells = rows.map(({ name, most, least, moved }) => [
    name,
    most.toFixed(2),
    least.toFixed(2),
    `${(100 * moved).toFixed(1)} %`,
  ]);
  terminal.out(
    formatTable(["keys are spread by", "most/mean", "least/mean", "moved"], cells, [1, 2, 3]),
  );
  terminal.out(
    `\nIf the new proxy is to have its share, 1/${proxies + 1} = ${(100 / (proxies + 1)).toFixed(1)} % of the keys must move.`,
  );
  return "ok";
}

function rowOf(
  name: string,
  keys: readonly string[],
  proxies: number,
  spread: (proxies: number) => (key: string) => number,
): Row {
  const [before, after] = [spread(proxies), spread(proxies + 1)];
  const counts = Array.from({ length: proxies }, () => 0);
  let moved = 0;
  for (const key of keys) {
    const owner = before(key);
    counts[owner] = (counts[owner] ?? 0) + 1;
    if (after(key) !== owner) moved += 1;
  }
  const mean = keys.length / proxies;
  return {
    name,
    most: Math.max(...counts) / mean,
    least: Math.min(...counts) / mean,
    moved: moved / keys.length,
  };
}

function ringOf(
  virtualNodes: number,
  shareBound?: number,
): (proxies: number) => (key: string) => number {
  return (proxies) => {
    const members = Array.from({ length: proxies }, (_, at) => ({
      id: `${at}`,
      address: `proxy-${at}:6370`,
      weight: 1,
    }));
    const membership: Membership = { epoch: 1, members, virtualNodes };
    const made = buildRing(membership, shareBound);
    return (key) => Number(made.ownerOf(key).id);
  };
}
