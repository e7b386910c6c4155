// `get`: fetches an object to a file or standard output, as a stream, so memory stays bounded. A file appears
// complete or not at all: it is written beside its place and renamed at the end.

import { once } from "node:events";
import { access, constants, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ByteRange, Cache } from "../../client/api.ts";
import { formatCode } from "../../core/code.ts";
import { callOptions, tellMiss, withCache } from "../client-calls.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";
import { startProgress } from "../progress.ts";
import { formatBytes, formatMs, formatRate } from "../units.ts";

/** Beyond this, an object on a terminal is a mistake. */
const TERMINAL_BYTES_MAX = 16_384;

type Stream = Extract<Awaited<ReturnType<Cache["getStream"]>>, { readonly kind: "hit" }>;

/** Fetches the key `args[0]`. */
export async function run(
  context: CommandContext,
  args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const [key = ""] = args;
  const output = typeof options["output"] === "string" ? options["output"] : "-";
  const range = typeof options["range"] === "string" ? readRange(options["range"]) : undefined;
  if (output === "-" && context.terminal.isJson) {
    throw new CommandError(
      "usage",
      "--json tells of the transfer, so the bytes need a file: -o FILE",
    );
  }
  return withCache(context, async (cache) => {
    const found = await cache.getStream(key, {
      // The deadline of a stream counts anew with every stripe, so that no length needs a longer one.
      ...callOptions(context),
      ...(range === undefined ? {} : { range }),
    });
    if (found.kind === "miss") return tellMiss(context, key, found);
    const { bytes } = found.object;
    if (range !== undefined && range.start >= bytes) {
      throw new CommandError(
        "usage",
        `--range begins at byte ${range.start}, and ${key} has ${bytes === 0 ? "none" : `${bytes}, from 0 to ${bytes - 1}`}`,
      );
    }
    await receive(context, key, output, found);
    return "ok";
  });
}

async function receive(
  context: CommandContext,
  key: string,
  output: string,
  found: Stream,
): Promise<void> {
  const { terminal, clock } = context;
  const wanted = found.end - found.start;
  const progress = startProgress(terminal, clock, "get", wanted);
  const write = (bytes: number) => progress.add(bytes);
  const bytes =
    output === "-"
      ? await writeToStdout(context, found, wanted, write)
      : await writeToFile(output, found.body, write);
  const ms = progress.end();
  if (bytes !== wanted) throw new CommandError("internal", `${bytes} of ${wanted} bytes came`);
  const code = formatCode(found.object.code);
  if (terminal.isJson) {
    const { version } = found.object;
    terminal.out(JSON.stringify({ hit: true, key, bytes, version, code, file: output, ms }));
  } else if (output !== "-") {
    terminal.note(
      `got ${key}: ${formatBytes(bytes)} in ${formatMs(ms)} (${formatRate(bytes, ms)}) to ${output}`,
    );
  }
}

/** Both ends count from 0 and are included; the second may be missing. */
function readRange(text: string): ByteRange {
  const match = /^(\d+)-(\d*)$/.exec(text);
  const start = Number(match?.[1]);
  const last = match?.[2] === "" ? undefined : Number(match?.[2]);
  if (match === null || (last !== undefined && last < start)) {
    throw new CommandError(
      "usage",
      `--range "${text}": must be START-END or START-, both included`,
    );
  }
  return last === undefined ? { start } : { start, end: last + 1 };
}

async function writeToStdout(
  context: CommandContext,
  found: Stream,
  wanted: number,
  count: (bytes: number) => void,
): Promise<number> {
  const { stdout, signal } = context;
  if (stdout.isTTY === true && wanted > TERMINAL_BYTES_MAX) {
    throw new CommandError(
      "usage",
      `${formatBytes(wanted)} would flood the terminal; give -o FILE`,
    );
  }
  let bytes = 0;
  for await (const part of found.body) {
    // The part is ours only until the next one is asked for, and a pipe takes it later: wait until it has.
    await new Promise<void>((written, failed) => {
      stdout.write(part, (error) => (error ? failed(error) : written()));
    });
    bytes += part.length;
    count(part.length);
  }
  if (stdout.writableNeedDrain) await once(stdout, "drain", { signal });
  return bytes;
}

async function writeToFile(
  path: string,
  body: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): Promise<number> {
  if (!(await isReplaceable(path))) return writeInPlace(path, body, count);
  // Fails here, by the folder's name, rather than by that of the file beside.
  await access(dirname(path), constants.W_OK);
  const partial = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  try {
    const bytes = await writeInPlace(partial, body, count);
    await rename(partial, path);
    return bytes;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Pipes and devices, such as /dev/null, are written to and never replaced. */
async function isReplaceable(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found === null || found.isFile();
}

async function writeInPlace(
  path: string,
  body: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): Promise<number> {
  const file = await open(path, "w");
  let bytes = 0;
  try {
    for await (const part of body) {
      for (let offset = 0; offset < part.length; ) {
        offset += (await file.write(part, offset)).bytesWritten;
      }
      bytes += part.length;
      count(part.length);
    }
  } finally {
    await file.close();
  }
  return bytes;
}
