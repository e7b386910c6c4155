// All commands as a table: names, arguments, options, help. The code of a command is loaded when it is called,
// so that `get` does not wait for what `up` needs. Nothing is done here.

import type { CommandModule } from "./context.ts";
import { LOCAL_SETTINGS, POOL_SETTINGS, SERVICE_SETTINGS, UP_SETTINGS } from "./setting-groups.ts";
import type { SettingName } from "./settings.ts";

/** An option of one command that is no setting: flags, meaning, and what it is when not given. */
export interface OptionRow {
  readonly flags: string;
  readonly summary: string;
  readonly byDefault?: string;
  /** May be given several times; the value is then a list. */
  readonly isRepeatable?: boolean;
}

/** A command; a name of two words is a command of a group. */
export interface CommandRow {
  readonly name: string;
  /** As commander writes them: `<needed> [optional]`. */
  readonly arguments: string;
  readonly summary: string;
  readonly settings: readonly SettingName[];
  readonly options: readonly OptionRow[];
  readonly examples: readonly string[];
  load(): Promise<CommandModule>;
}

const CLIENT: readonly SettingName[] = ["url", "token", "tokenFile", "deadlineMs"];
const CHAOS: readonly SettingName[] = ["url", "token", "tokenFile", "lambda"];

/** The commands in the order of the help. */
export const COMMANDS: readonly CommandRow[] = [
  {
    name: "up",
    arguments: "",
    summary:
      "start a local Lambda service, a proxy with its functions, and the Redis and HTTP doors",
    settings: UP_SETTINGS,
    options: [
      { flags: "--detach", summary: "return when it is ready and leave it running; see `down`" },
    ],
    examples: [
      "up",
      "up --nodes 40 --memory 256 --code 10+4",
      "up --state ./state --detach",
      "up --port 0 --json",
      "up --workers 2 --nodes 48 --state ./state",
    ],
    load: () => import("./commands/up.ts"),
  },
  {
    name: "down",
    arguments: "",
    summary: "stop what `up` or `proxy` started on this machine, and wait until it is gone",
    settings: ["port"],
    options: [{ flags: "--all", summary: "every pool of yours, whatever its port" }],
    examples: ["down", "down --port 7000", "down --all"],
    load: () => import("./commands/down.ts"),
  },
  {
    name: "put",
    arguments: "<key> <file>",
    summary: "store a file; - reads standard input",
    settings: [...CLIENT, "code"],
    options: [
      { flags: "--ttl <time>", summary: "forget it after this long (30s, 5m, 2h)" },
      { flags: "--meta <name=value>", summary: "store this with it", isRepeatable: true },
      { flags: "--if-absent", summary: "only if there is no such object yet; else exit 4" },
    ],
    examples: [
      "put photo photo.jpg",
      "tar c src | infinicache put backup -",
      "put build out.tgz --ttl 2h --code 10+4",
    ],
    load: () => import("./commands/put.ts"),
  },
  {
    name: "get",
    arguments: "<key>",
    summary: "fetch an object to standard output or a file; absent: exit 1",
    settings: CLIENT,
    options: [
      { flags: "-o, --output <file>", summary: "write here, complete or not at all" },
      { flags: "--range <start-end>", summary: "these bytes only, both ends included (0-99)" },
    ],
    examples: ["get photo -o photo.jpg", "get backup | tar x", "get log --range 0-1023"],
    load: () => import("./commands/get.ts"),
  },
  {
    name: "del",
    arguments: "<key...>",
    summary: "delete objects; exit 1 when none of them was there",
    settings: CLIENT,
    options: [
      { flags: "--prefix", summary: "delete every object whose key begins with <key>" },
      { flags: "--all", summary: "with --prefix: an empty prefix is meant, and every object goes" },
    ],
    examples: ["del photo", "del --prefix build/", 'del --prefix "" --all'],
    load: () => import("./commands/del.ts"),
  },
  {
    name: "stat",
    arguments: "<key>",
    summary: "what is known of an object, without its bytes",
    settings: CLIENT,
    options: [],
    examples: ["stat photo", "stat photo --json"],
    load: () => import("./commands/stat.ts"),
  },
  {
    name: "ls",
    arguments: "[prefix]",
    summary: "list objects in the order of their keys",
    settings: CLIENT,
    options: [{ flags: "--limit <count>", summary: "at most this many", byDefault: "1000" }],
    examples: ["ls", "ls build/ --limit 20", "ls --json"],
    load: () => import("./commands/ls.ts"),
  },
  {
    name: "status",
    arguments: "",
    summary: "nodes by state, objects, hits, invocations by purpose, and money so far",
    settings: CLIENT,
    options: [{ flags: "--nodes", summary: "a row for each node as well" }],
    examples: ["status", "status --json"],
    load: () => import("./commands/status.ts"),
  },
  {
    name: "lambda-service",
    arguments: "",
    summary: "run only the local Lambda service, for any AWS SDK",
    settings: ["host", "port", ...SERVICE_SETTINGS],
    options: [],
    examples: ["lambda-service --port 9000", "lambda-service --reclaim poisson --seed 7"],
    load: () => import("./commands/lambda-service.ts"),
  },
  {
    name: "proxy",
    arguments: "",
    summary: "run only the proxy and its doors, with functions at a Lambda service",
    settings: [...POOL_SETTINGS, "lambda", "advertise"],
    options: [],
    examples: ["proxy --lambda http://127.0.0.1:9000 --state ./state"],
    load: () => import("./commands/proxy.ts"),
  },
  {
    name: "chaos kill",
    arguments: "<count>",
    summary: "kill this many random instances, as a provider reclaims them",
    settings: CHAOS,
    options: [],
    examples: ["chaos kill 2"],
    load: async () => ({ run: (await import("./commands/chaos.ts")).kill }),
  },
  {
    name: "chaos kill-node",
    arguments: "<node>",
    summary:
      "kill all instances of one node, given by its number or name; or one instance, by the id that chaos prints",
    settings: [...CHAOS, "pool"],
    options: [],
    examples: ["chaos kill-node 7", "chaos kill-node infinicache-7"],
    load: async () => ({ run: (await import("./commands/chaos.ts")).killNode }),
  },
  {
    name: "chaos reclaim-all",
    arguments: "",
    summary: "kill every instance at once",
    settings: CHAOS,
    options: [],
    examples: ["chaos reclaim-all"],
    load: async () => ({ run: (await import("./commands/chaos.ts")).reclaimAll }),
  },
  {
    name: "chaos freeze",
    arguments: "<count>",
    summary: "stop this many random instances until `chaos thaw`, invoked or not",
    settings: CHAOS,
    options: [],
    examples: ["chaos freeze 1"],
    load: async () => ({ run: (await import("./commands/chaos.ts")).freeze }),
  },
  {
    name: "chaos thaw",
    arguments: "",
    summary: "let go on what `chaos freeze` stopped",
    settings: CHAOS,
    options: [],
    examples: ["chaos thaw"],
    load: async () => ({ run: (await import("./commands/chaos.ts")).thaw }),
  },
  {
    name: "bench",
    arguments: "",
    summary: "measure puts and gets, of this cache or of others beside it",
    settings: ["url", "token", "tokenFile", "seed"],
    options: [
      { flags: "--op <op>", summary: "put, get or mixed (half and half)", byDefault: "mixed" },
      { flags: "-n, --count <count>", summary: "operations in all", byDefault: "100" },
      {
        flags: "-c, --concurrency <count>",
        summary: "operations at the same time",
        byDefault: "1",
      },
      { flags: "--keys <a..b>", summary: "keys by number, from a to b", byDefault: "1..10" },
      {
        flags: "--size <size>",
        summary: "bytes of an object; a range a..b draws from it",
        byDefault: "1MB",
      },
      { flags: "--code <d+p>", summary: "code of the objects; auto: by size", byDefault: "auto" },
      {
        flags: "--interval <time>",
        summary: "each worker begins an operation this often at most",
        byDefault: "0",
      },
      {
        flags: "--dist <name>",
        summary: "uniform, zipf, or ycsb-a to ycsb-f (which set --op as well)",
        byDefault: "uniform",
      },
      {
        flags: "--target <name>",
        summary: "infinicache, redis, memcached or http",
        byDefault: "infinicache",
      },
      { flags: "--addr <host:port>", summary: "address of the target; default by --target" },
      { flags: "--no-fill", summary: "do not store the objects before reading them" },
      { flags: "--keep", summary: "leave what it stored, for another run with --no-fill" },
    ],
    examples: [
      "bench -n 200 -c 4 --size 10MB",
      "bench --dist ycsb-b --keys 1..1000 --size 100KB -n 5000 -c 16",
      "bench --target redis --addr 127.0.0.1:6379 --size 1MB",
    ],
    load: () => import("./commands/bench.ts"),
  },
  {
    name: "demo",
    arguments: "",
    summary:
      "store a real 100 MB file, kill functions that hold it, get it back, and show the cost",
    settings: LOCAL_SETTINGS,
    options: [
      { flags: "--stay", summary: "go on serving afterwards" },
      { flags: "--size <size>", summary: "bytes of the file", byDefault: "100MB" },
    ],
    examples: ["demo", "demo --stay", "demo --size 1GB --nodes 40"],
    load: () => import("./commands/demo.ts"),
  },
  {
    name: "model availability",
    arguments: "",
    summary: "how likely objects are lost when functions are reclaimed, by the paper's model",
    settings: [],
    options: [
      { flags: "--nodes <count>", summary: "functions of the pool", byDefault: "400" },
      { flags: "--code <d+p>", summary: "code of the objects", byDefault: "10+2" },
      {
        flags: "--interval <time>",
        summary: "within this, what was lost has been made good",
        byDefault: "1m",
      },
      {
        flags: "--reclaims <model>",
        summary:
          "heavy-tailed (default), poisson[:PER-HOUR] (36) or mass[:HOURS] (6): published for 400 functions, and scaled",
      },
      {
        flags: "--per-minute <counts>",
        summary:
          "instead: how many of the pool's functions went in a minute, with how often: 0:1400,3:40",
      },
      {
        flags: "--replicas",
        summary:
          "each function has a replica with the same content: r counts those that lose both in one interval",
      },
      {
        flags: "--stripes <counts>",
        summary: "objects of so many stripes of 32 MiB",
        byDefault: "1,3,32",
      },
    ],
    examples: [
      "model availability",
      "model availability --reclaims poisson:265 --interval 5m",
      "model availability --reclaims poisson:265 --interval 5m --replicas",
      "model availability --nodes 400 --code 10+1 --per-minute 3,5,10 --json",
    ],
    load: async () => ({ run: (await import("./commands/model.ts")).availability }),
  },
  {
    name: "model cost",
    arguments: "",
    summary: "what an hour of a pool costs, by the paper's model, at prices of 2020 and of today",
    settings: [],
    options: [
      { flags: "--nodes <count>", summary: "functions of the pool", byDefault: "400" },
      { flags: "--memory <mb>", summary: "memory of a function in MB", byDefault: "1536" },
      { flags: "--warm-up <time>", summary: "every function is warmed so often", byDefault: "1m" },
      { flags: "--warm-up-time <time>", summary: "how long that runs", byDefault: "2ms" },
      {
        flags: "--backup <time>",
        summary: "every function is backed up so often; 0: never",
        byDefault: "0",
      },
      { flags: "--backup-time <time>", summary: "how long that runs", byDefault: "1600ms" },
      { flags: "--gets <count>", summary: "GETs an hour", byDefault: "750" },
      { flags: "--chunks <count>", summary: "functions invoked by one GET", byDefault: "12" },
      { flags: "--chunk-time <time>", summary: "how long each runs for it", byDefault: "43ms" },
      {
        flags: "--against <dollars>",
        summary: "an hour of what it is compared with: cache.r5.24xlarge",
        byDefault: "10.368",
      },
    ],
    examples: ["model cost", "model cost --backup 5m --gets 100000"],
    load: async () => ({ run: (await import("./commands/model.ts")).cost }),
  },
  {
    name: "model ring",
    arguments: "",
    summary: "how evenly proxies share the keys, and how many move when one more comes",
    settings: [],
    options: [
      { flags: "--proxies <count>", summary: "proxies before", byDefault: "4" },
      { flags: "--keys <count>", summary: "keys spread over them", byDefault: "100000" },
    ],
    examples: ["model ring", "model ring --proxies 16 --json"],
    load: async () => ({ run: (await import("./commands/model-ring.ts")).ring }),
  },
  {
    name: "config schema",
    arguments: "",
    summary: "print the JSON Schema of infinicache.config.json",
    settings: [],
    options: [],
    examples: ["config schema > infinicache.schema.json"],
    load: async () => ({ run: (await import("./commands/config.ts")).schema }),
  },
  {
    name: "config show",
    arguments: "",
    summary: "print every setting as it is now, with where to set it",
    settings: [],
    options: [],
    examples: ["config show"],
    load: async () => ({ run: (await import("./commands/config.ts")).show }),
  },
];
