// `put`: stores a file or standard input. Small files travel whole and can be sent again after a lost
// connection; large ones and pipes are streamed, so memory stays bounded whatever their length.

import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Body, PutOptions } from "../../client/api.ts";
import { formatCode, parseCode } from "../../core/code.ts";
import { STRIPE_BYTES_MAX } from "../../core/limits.ts";
import { callOptions, withCache } from "../client-calls.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";
import { type Progress, startProgress } from "../progress.ts";
import { formatBytes, formatMs, formatRate, parseDurationMs } from "../units.ts";

/** Bytes per read of a file: few calls, and little beside the two stripes that the library holds. */
const READ_BYTES = 1_048_576;

/** Stores `args[1]` under the key `args[0]`. */
export async function run(
  context: CommandContext,
  args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const [key = "", path = "-"] = args;
  const putOptions = readOptions(context, options);
  const length = path === "-" ? null : await lengthOf(path);
  return withCache(context, async (cache) => {
    const { terminal, clock } = context;
    const progress = startProgress(terminal, clock, "put", length);
    const body = await openBody(context, path, length, progress);
    const isStream = !(body instanceof Uint8Array);
    const result = await cache.put(key, body, {
      ...putOptions,
      ...callOptions(context, isStream ? 0 : body.length),
      ...(isStream && length !== null ? { length } : {}),
    });
    const ms = progress.end();
    if (result.kind === "exists") {
      if (terminal.isJson) {
        terminal.out(JSON.stringify({ stored: false, key, exists: true, version: result.version }));
      }
      terminal.note(`infinicache: ${key}: exists already; nothing was stored`);
      return "refused";
    }
    const { version, bytes } = result;
    const code = formatCode(result.code);
    if (terminal.isJson) {
      terminal.out(JSON.stringify({ stored: true, key, bytes, version, code, ms }));
    } else {
      const speed = `${formatMs(ms)} (${formatRate(bytes, ms)})`;
      terminal.note(`stored ${key}: ${formatBytes(bytes)} as ${code} in ${speed}`);
    }
    return "ok";
  });
}

function readOptions(context: CommandContext, options: CommandOptions): PutOptions {
  const { code } = context.settings;
  const parsed = code === "auto" ? null : parseCode(code);
  return {
    ...(parsed !== null && typeof parsed !== "string" ? { code: parsed } : {}),
    ...(typeof options["ttl"] === "string" ? { ttlMs: readTtl(options["ttl"]) } : {}),
    ...(options["ifAbsent"] === true ? { ifAbsent: true } : {}),
    ...(Array.isArray(options["meta"]) ? { metadata: readMetadata(options["meta"]) } : {}),
  };
}

function readTtl(text: string): number {
  const ttlMs = parseDurationMs(text);
  if (ttlMs !== null && ttlMs > 0) return ttlMs;
  throw new CommandError("usage", `--ttl "${text}": a time such as 30s, 5m or 2h is needed`);
}

function readMetadata(pairs: readonly unknown[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const match = /^([^=]+)=(.*)$/s.exec(String(pair));
      if (match === null) throw new CommandError("usage", `--meta "${pair}": must be name=value`);
      return [match[1] ?? "", match[2] ?? ""];
    }),
  );
}

/** The length of an ordinary file; null for pipes and devices, which are read to their end. */
async function lengthOf(path: string): Promise<number | null> {
  const found = await stat(path);
  if (found.isDirectory()) {
    throw new CommandError(
      "input",
      `${path} is a folder; try: tar c ${path} | infinicache put KEY -`,
    );
  }
  return found.isFile() ? found.size : null;
}

async function openBody(
  context: CommandContext,
  path: string,
  length: number | null,
  progress: Progress,
): Promise<Body> {
  if (length !== null && length <= STRIPE_BYTES_MAX) return readFile(path);
  const source =
    path === "-" ? context.stdin : createReadStream(path, { highWaterMark: READ_BYTES });
  return counted(source, progress);
}

async function* counted(source: Readable, progress: Progress): AsyncGenerator<Uint8Array> {
  for await (const part of source) {
    const bytes: Uint8Array = part;
    progress.add(bytes.length);
    yield bytes;
  }
}
