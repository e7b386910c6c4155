// Every setting of the command line, once: its name, flag, environment variable, schema, default and meaning.
// Help texts, the file's JSON Schema and docs/configuration.md are made from this table.
// It reads nothing itself; configuration.ts does.

import { z } from "zod";
import { parseCode } from "../core/code.ts";
import type { Spread } from "../core/placement.ts";
import { HOT_BYTES_DEFAULT } from "../proxy/hot-objects.ts";
import { TRANSFER_BYTES_DEFAULT } from "../proxy/transfer-credit.ts";
import { row, type Setting } from "./setting.ts";

/** The least memory a function can have, in MB, here as on AWS. */
export const NODE_MEMORY_MB_MIN = 128;

const port = z.int().min(0).max(65_531);
const hostPort = z
  .string()
  .regex(/^[^\s/:]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i, "must be host:port");
const code = z.string().refine((text) => text === "auto" || typeof parseCode(text) === "object", {
  error: "must be auto, or d+p such as 10+2",
});

/** All settings by name; the name is also the key in the configuration file. */
export const SETTINGS = {
  url: row<string>({
    flag: "url",
    argument: "HOST:PORT",
    kind: "text",
    schema: hostPort,
    byDefault: "127.0.0.1:6370",
    summary: "address of the proxy to talk to",
  }),
  deadlineMs: row<number>({
    flag: "deadline",
    argument: "TIME",
    kind: "duration",
    schema: z.int().min(0).max(86_400_000),
    byDefault: 0,
    summary:
      "how long an operation may take, counted anew with each stripe of a stream; 0: a minute",
  }),
  host: row<string>({
    flag: "host",
    argument: "ADDRESS",
    kind: "text",
    schema: z.string().min(1),
    byDefault: "127.0.0.1",
    summary:
      "address to listen on; nothing is encrypted, so keep it a private one, and see --tokens",
  }),
  port: row<number>({
    flag: "port",
    argument: "PORT",
    kind: "integer",
    schema: port,
    byDefault: 6370,
    summary:
      "clients; functions, RESP, HTTP and the Lambda service take the four ports after it (0: any free ones)",
  }),
  nodes: row<number>({
    flag: "nodes",
    argument: "COUNT",
    kind: "integer",
    schema: z.int().min(1).max(1_000),
    byDefault: 24,
    summary: "functions in the pool",
  }),
  memoryMb: row<number>({
    flag: "memory",
    argument: "MB",
    kind: "integer",
    schema: z.int().min(NODE_MEMORY_MB_MIN).max(10_240),
    byDefault: 512,
    summary: "memory of each function; `up` lowers it so that all fit (--memory-share)",
  }),
  memorySharePercent: row<number>({
    flag: "memory-share",
    argument: "PERCENT",
    kind: "integer",
    schema: z.int().min(1).max(10_000),
    byDefault: 60,
    summary:
      "what part of the machine's free memory all functions may take together once they are full; above 100 it is your promise that they will not be",
  }),
  code: row<string>({
    flag: "code",
    argument: "D+P",
    kind: "text",
    schema: code,
    byDefault: "auto",
    summary: "data and parity chunks of each stripe; auto: by size (1+2, 4+2, 10+2)",
  }),
  spread: row<"auto" | Spread>({
    flag: "spread",
    argument: "HOW",
    kind: "text",
    schema: z.enum(["auto", "wide", "narrow"]),
    byDefault: "auto",
    summary:
      "where the stripes (32 MiB) of a large object go: wide (each to functions of its own: more bandwidth), narrow (all to the same: fewer functions to wake), auto (wide at AWS, narrow where functions share one machine)",
  }),
  pool: row<string>({
    flag: "pool",
    argument: "NAME",
    kind: "text",
    schema: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,39}$/, "must be 1 to 40 letters, digits, - or _"),
    byDefault: "infinicache",
    summary: "name of the pool; its functions are NAME-0, NAME-1, …",
  }),
  state: row<string>({
    flag: "state",
    argument: "DIR",
    kind: "text",
    schema: z.string().min(1),
    byDefault: "none",
    summary: "folder that keeps the object table over restarts of the proxy; none: memory only",
  }),
  ring: row<string>({
    flag: "ring",
    argument: "FILE",
    kind: "text",
    schema: z.string().min(1),
    byDefault: "none",
    summary:
      "file with the membership document of proxies that share the keys, looked at twice a second; its member with the id of the pool is this proxy; none: this proxy owns every key",
  }),
  workers: row<number>({
    flag: "workers",
    argument: "COUNT",
    kind: "integer",
    schema: z.int().min(1).max(16),
    byDefault: 1,
    summary:
      "proxies on this host, each a process with its part of the functions and five ports of its own (P, P+5, …); every door of each serves all keys",
  }),
  seed: row<number>({
    flag: "seed",
    argument: "NUMBER",
    kind: "integer",
    schema: z.int().min(0).max(4_294_967_295),
    byDefault: 1,
    summary: "seed of the local service's choices (who is reclaimed, who answers)",
  }),
  reclaim: row<"none" | "idle" | "poisson">({
    flag: "reclaim",
    argument: "MODEL",
    kind: "text",
    schema: z.enum(["none", "idle", "poisson"]),
    byDefault: "none",
    summary:
      "how the local service takes functions back: none, idle (halving every 380 s), poisson",
  }),
  freeze: row<"stop" | "forwarder">({
    flag: "freeze",
    argument: "MODE",
    kind: "text",
    schema: z.enum(["stop", "forwarder"]),
    byDefault: "stop",
    summary:
      "how the local service freezes: stop the process, or its network traffic as well (forwarder)",
  }),
  billing: row<"linger" | "cycle">({
    flag: "billing",
    argument: "POLICY",
    kind: "text",
    schema: z.enum(["linger", "cycle"]),
    byDefault: "linger",
    summary:
      "how long functions stay awake: linger (for 1 ms billing) or cycle (the paper's 100 ms)",
  }),
  lingerMs: row<number>({
    flag: "linger",
    argument: "TIME",
    kind: "duration",
    schema: z.int().min(0).max(30_000),
    byDefault: 0,
    summary:
      "how long an idle function waits for more work under the policy linger; 0: as long as costs one invoke fee, and up to eight times that where requests keep coming",
  }),
  warmUpIntervalMs: row<number>({
    flag: "warm-up",
    argument: "TIME",
    kind: "duration",
    schema: z.int().min(0).max(3_600_000),
    byDefault: 60_000,
    summary: "how often a function that holds data is invoked to keep it; 0: never",
  }),
  backupIntervalMs: row<number>({
    flag: "backup-interval",
    argument: "TIME",
    kind: "duration",
    schema: z.int().min(0).max(3_600_000),
    byDefault: 300_000,
    summary: "how often a function whose store changed is copied to its replica; 0: never",
  }),
  backupSelection: row<"all" | "hit">({
    flag: "backup-select",
    argument: "WHAT",
    kind: "text",
    schema: z.enum(["all", "hit"]),
    byDefault: "all",
    summary:
      "what is copied to replicas: all, or what was hit since it was stored, up to half a function's room",
  }),
  repairMbPerSecond: row<number>({
    flag: "repair-rate",
    argument: "MB",
    kind: "number",
    schema: z.number().min(0).max(10_000),
    byDefault: 64,
    summary:
      "MB per second that repairs of lost chunks may read and store (a stripe larger than that at a time); 0: no repairs",
  }),
  repairDollarsPerHour: row<number>({
    flag: "repair-money",
    argument: "DOLLARS",
    kind: "number",
    schema: z.number().min(0).max(1_000),
    byDefault: 0.1,
    summary: "what repairs may cost within an hour, by the ledger; beyond, lost chunks wait",
  }),
  hotBytes: row<number>({
    flag: "hot-bytes",
    argument: "SIZE",
    kind: "bytes",
    schema: z.int().min(0).max(68_719_476_736),
    byDefault: HOT_BYTES_DEFAULT,
    summary:
      "memory of the proxy in which it keeps small objects (64 KiB at most, in one chunk) that were read, so that reading them again asks no function; 0: none",
  }),
  transferBytes: row<number>({
    flag: "transfer-bytes",
    argument: "SIZE",
    kind: "bytes",
    schema: z.int().min(1_048_576).max(68_719_476_736),
    byDefault: TRANSFER_BYTES_DEFAULT,
    summary:
      "memory of the proxy for what is on its way between functions and clients; with more of it many that read large objects at once are served in larger steps",
  }),
  pricing: row<"x86" | "arm">({
    flag: "pricing",
    argument: "TABLE",
    kind: "text",
    schema: z.enum(["x86", "arm"]),
    byDefault: "x86",
    summary: "the price table that costs are shown in: x86 or arm",
  }),
  origin: row<string>({
    flag: "origin",
    argument: "URL",
    kind: "text",
    schema: z
      .string()
      .regex(
        /^(?:none|dir:.+|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/.*)?)$/,
        "must be dir:PATH, s3://BUCKET/PREFIX, or none",
      ),
    byDefault: "none",
    summary:
      "what stands behind the Redis and HTTP doors: a folder (dir:/path) or a bucket of S3 (s3://bucket/prefix); none: a miss is a miss",
  }),
  originEndpoint: row<string>({
    flag: "origin-endpoint",
    argument: "URL",
    kind: "text",
    schema: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !url.includes("@"), "credentials do not belong into it")
      .or(z.literal("")),
    byDefault: "",
    summary:
      "address of a store that speaks like S3; empty: AWS_ENDPOINT_URL_S3, or else AWS in the region of the environment",
  }),
  originMode: row<"read-through" | "write-through" | "write-behind">({
    flag: "origin-mode",
    argument: "MODE",
    kind: "text",
    schema: z.enum(["read-through", "write-through", "write-behind"]),
    byDefault: "read-through",
    summary:
      "whether the doors only load from the origin (read-through) write to it before they acknowledge (write-through), or after, from a journal (write-behind)",
  }),
  originJournal: row<string>({
    flag: "origin-journal",
    argument: "DIR",
    kind: "text",
    schema: z.string().min(1),
    byDefault: "none",
    summary: "folder of the journal of write-behind, on a disk that outlives the process",
  }),
  originJournalMb: row<number>({
    flag: "origin-journal-size",
    argument: "MB",
    kind: "integer",
    schema: z.int().min(32).max(1_048_576),
    byDefault: 1_024,
    summary: "MB the journal may have; changes beyond are refused",
  }),
  originAbsentMs: row<number>({
    flag: "origin-absent",
    argument: "TIME",
    kind: "duration",
    schema: z.int().min(0).max(3_600_000),
    byDefault: 0,
    summary: "how long a key that the origin does not have is not asked for again; 0: at each miss",
  }),
  lambda: row<string>({
    flag: "lambda",
    argument: "URL",
    kind: "text",
    schema: z.url({ protocol: /^https?$/ }).or(z.literal("")),
    byDefault: "",
    summary: "address of the Lambda service; empty: the one that runs beside the proxy",
  }),
  advertise: row<string>({
    flag: "advertise",
    argument: "HOST:PORT",
    kind: "text",
    schema: hostPort.or(z.literal("")),
    byDefault: "",
    summary: "where functions reach the proxy, when that is not where it listens",
  }),
  secret: row<string>({
    flag: "secret",
    argument: "HEX",
    kind: "text",
    schema: z
      .string()
      .regex(/^([0-9a-f]{2}){16,64}$/i, "must be 16 to 64 bytes in hex")
      .or(z.literal("")),
    byDefault: "",
    summary: "the pool's secret in hex; empty: drawn at random, and kept in the state folder",
    isSecret: true,
  }),
  tokens: row<string>({
    flag: "tokens",
    argument: "FILE",
    kind: "text",
    schema: z.string().min(1),
    byDefault: "none",
    summary: "JSON file with the tokens of clients; none: everybody may do everything",
  }),
  token: row<string>({
    flag: "token",
    argument: "TOKEN",
    kind: "text",
    schema: z.string().regex(/^[!-~]{0,4096}$/, "must be 4096 ASCII characters at most"),
    byDefault: "",
    summary: "what a command shows to the proxy, and a proxy to those it shares the keys with",
    isSecret: true,
  }),
  tokenFile: row<string>({
    flag: "token-file",
    argument: "FILE",
    kind: "text",
    schema: z.string().min(1),
    byDefault: "none",
    summary: "file that holds the token to show, where INFINICACHE_TOKEN has none",
  }),
} as const;

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** All settings with their values. */
export type Settings = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer Value>
    ? Value
    : never;
};

/** All names, in the order of the table. */
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** The setting's row, whatever its value's type. */
export function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name];
}

/** `INFINICACHE_WARM_UP` for `--warm-up`. */
export function environmentName(name: SettingName): string {
  return `INFINICACHE_${SETTINGS[name].flag.replaceAll("-", "_").toUpperCase()}`;
}
