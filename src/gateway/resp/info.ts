// The text of INFO, from the proxy's report on itself. Field names are those redis-server has where a client looks
// for them; what is ours alone stands in a section of its own.

import type { OriginStatus } from "../../core/status.ts";
import type { ServerContext } from "./command.ts";
import { REDIS_VERSION } from "./commands/connection.ts";

type Fields = Readonly<Record<string, string | number>>;

/** What tells nothing of the pool, and clients need when they connect. */
const PUBLIC_SECTIONS: ReadonlySet<string> = new Set([
  "Server",
  "Clients",
  "Persistence",
  "Replication",
  "Cluster",
]);

/** The sections asked for (none: all), as redis-server writes them. `isWhole`: those of the whole pool, too. */
export function infoText(
  server: ServerContext,
  wanted: readonly string[],
  isWhole: boolean,
): string {
  const isAll =
    wanted.length === 0 || wanted.some((name) => /^(?:all|everything|default)$/.test(name));
  const parts: string[] = [];
  for (const [name, fields] of Object.entries(sections(server))) {
    if (!isWhole && !PUBLIC_SECTIONS.has(name)) continue;
    if (!isAll && !wanted.includes(name.toLowerCase())) continue;
    const lines = Object.entries(fields).map(([field, value]) => `${field}:${value}\r\n`);
    parts.push(`# ${name}\r\n${lines.join("")}`);
  }
  return parts.join("\r\n");
}

function sections(server: ServerContext): Readonly<Record<string, Fields>> {
  const status = server.status();
  const { counters } = status;
  const upSeconds = Math.floor((server.clock.now() - server.counters.startedAtMs) / 1_000);
  const misses =
    counters.missesAbsent +
    counters.missesExpired +
    counters.missesLost +
    counters.missesUnreachable;
  return {
    Server: {
      redis_version: REDIS_VERSION,
      redis_mode: "standalone",
      infinicache_version: server.version,
      uptime_in_seconds: upSeconds,
      uptime_in_days: Math.floor(upSeconds / 86_400),
    },
    Clients: { connected_clients: server.counters.clients, blocked_clients: 0 },
    Memory: {
      used_memory: status.chunkBytes,
      used_memory_human: `${(status.chunkBytes / 1_048_576).toFixed(2)}M`,
      used_memory_dataset: status.objectBytes,
      maxmemory: status.capacityBytes,
      maxmemory_policy: "allkeys-lru",
    },
    Persistence: { loading: 0, rdb_bgsave_in_progress: 0, aof_enabled: 0 },
    Stats: {
      total_connections_received: server.counters.connections,
      total_commands_processed: server.counters.commands,
      instantaneous_ops_per_sec: 0,
      expired_keys: counters.expirations,
      evicted_keys: counters.evictions,
      keyspace_hits: counters.hits,
      keyspace_misses: misses,
    },
    Replication: { role: "master", connected_slaves: 0 },
    Cluster: { cluster_enabled: 0 },
    Keyspace: status.objects === 0 ? {} : { db0: `keys=${status.objects},expires=0,avg_ttl=0` },
    Infinicache: {
      pool: status.pool,
      generation: status.generation,
      term: status.term,
      nodes: status.nodes.count,
      misses_lost: counters.missesLost,
      misses_unreachable: counters.missesUnreachable,
      repairs: counters.repairs,
      billed_ms: status.cost.total.billedMs,
      dollars: status.cost.total.dollars,
    },
    ...(status.origin === undefined ? {} : { Origin: originFields(status.origin) }),
  };
}

function originFields(origin: OriginStatus): Fields {
  const { journal } = origin;
  return {
    origin_mode: origin.mode,
    origin_loads: origin.loads,
    origin_loads_failed: origin.loadsFailed,
    origin_loads_absent: origin.loadsAbsent,
    origin_loads_overtaken: origin.loadsOvertaken,
    origin_apart_reads: origin.apartReads,
    origin_writes: origin.writes,
    origin_writes_failed: origin.writesFailed,
    ...(journal === null
      ? {}
      : {
          origin_journal_entries: journal.entries,
          origin_journal_bytes: journal.bytes,
          origin_journal_oldest_ms: journal.oldestMs ?? 0,
          origin_journal_errors: journal.flushErrors,
        }),
  };
}
