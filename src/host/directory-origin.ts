// A folder as an origin: one file per object, at the path its key spells. A file is only ever replaced as a whole, so
// that a reader sees one version. What a file cannot say by itself (metadata, expiry) stands in a footer behind the body;
// files without one are objects as they are.

import { randomUUID } from "node:crypto";
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  unlink,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { CacheError } from "../core/errors.ts";
import { originError } from "../origin/bodies.ts";
import type { OriginObject, OriginPut, OriginStore } from "../origin/store.ts";

/** Folder of files that are being written; keys cannot spell it. */
const TEMPORARY = ".infinicache-temp";
/** What a process that died has left behind is removed after this. */
const TEMPORARY_MS_MAX = 24 * 3_600 * 1_000;
/** Bytes of a name; file systems allow 255. */
const NAME_BYTES_MAX = 200;
const READ_BYTES = 1_024 * 1_024;
/** Ends a file that has a footer: before it stand the footer's text, its CRC-32 and its length. */
const MAGIC = new Uint8Array([
  0x89, 0x49, 0x43, 0x41, 0x0d, 0x0a, 0x1a, 0x0a, 0xd3, 0x5e, 0x91, 0x07, 0xe2, 0x4c, 0xb8, 0x6f,
]);
const TAIL_BYTES = MAGIC.length + 8;
const FOOTER_BYTES_MAX = 64 * 1_024;

interface Footer {
  readonly metadata: Readonly<Record<string, string>>;
  readonly expiresAtMs: number | null;
}

const PLAIN: Footer = { metadata: {}, expiresAtMs: null };

/** An origin in the folder, which is made where it is absent. */
export async function directoryOrigin(folder: string): Promise<OriginStore> {
  const root = resolve(folder);
  const temporary = join(root, TEMPORARY);
  await mkdir(temporary, { recursive: true });
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > TEMPORARY_MS_MAX) await rm(path, { force: true });
  }
  return new DirectoryOrigin(root, temporary);
}

class DirectoryOrigin implements OriginStore {
  readonly #root: string;
  readonly #temporary: string;

  constructor(root: string, temporary: string) {
    this.#root = root;
    this.#temporary = temporary;
  }

  async get(key: string, signal: AbortSignal): Promise<OriginObject | null> {
    const opened = await this.#open(key);
    if (opened === null) return null;
    const { file, bytes, footer } = opened;
    return { ...footer, bytes, body: new FileBody(file, bytes, signal) };
  }

  async head(key: string): Promise<{ readonly expiresAtMs: number | null } | null> {
    const opened = await this.#open(key);
    await opened?.file.close();
    return opened?.footer ?? null;
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { metadata, expiresAtMs, ifAbsent, signal }: OriginPut,
  ): Promise<"stored" | "exists"> {
    const path = this.#pathOf(key);
    const written = join(this.#temporary, randomUUID());
    const file = await open(written, "wx", 0o644).catch(refused);
    try {
      try {
        await writeObject(file, body, { metadata, expiresAtMs }, signal);
        await file.sync().catch(refused);
      } finally {
        await file.close();
      }
      return await this.#place(written, path, ifAbsent).catch(refused);
    } finally {
      await rm(written, { force: true });
    }
  }

  async remove(key: string): Promise<boolean> {
    const path = this.#pathOf(key);
    try {
      await unlink(path);
    } catch (error) {
      if (isAbsent(error)) return false;
      const isFolder = (await stat(path).catch(() => null))?.isDirectory() === true;
      if (isFolder) return false;
      return refused(error);
    }
    await syncFolder(dirname(path));
    return true;
  }

  async close(): Promise<void> {}

  async #open(key: string): Promise<{
    readonly file: FileHandle;
    readonly bytes: number;
    readonly footer: Footer;
  } | null> {
    const path = this.#pathOf(key);
    let file: FileHandle;
    try {
      file = await open(path, "r");
    } catch (error) {
      return isAbsent(error) ? null : refused(error);
    }
    try {
      const status = await file.stat();
      if (!status.isFile()) {
        await file.close();
        return null;
      }
      return { file, ...(await readFooter(file, status.size, path)) };
    } catch (error) {
      await file.close();
      return refused(error);
    }
  }

  async #place(written: string, path: string, ifAbsent: boolean): Promise<"stored" | "exists"> {
    const folder = dirname(path);
    const made = await mkdir(folder, { recursive: true });
    if (ifAbsent) {
      try {
        await link(written, path);
      } catch (error) {
        if (codeOf(error) === "EEXIST") return "exists";
        throw error;
      }
    } else await rename(written, path);
    for (let each = folder; ; each = dirname(each)) {
      await syncFolder(each);
      // A new folder is durable when the one that holds it is.
      if (made === undefined || each === dirname(made) || each === this.#root) break;
    }
    return "stored";
  }

  #pathOf(key: string): string {
    return join(this.#root, ...key.split("/").flatMap(namesOf));
  }
}

/** A part of a key as names of files: one, or several where it is too long. */
export function namesOf(segment: string): readonly string[] {
  if (segment === "") return ["%-"];
  const isReserved = segment === "." || segment === ".." || segment.startsWith(".infinicache");
  const text = isReserved
    ? `%2E${escaped(segment.slice(1)).replaceAll(".", "%2E")}`
    : escaped(segment);
  const names: string[] = [];
  let name = "";
  for (const unit of text.match(/%[0-9A-F]{2}|./gsu) ?? []) {
    if (Buffer.byteLength(name) + Buffer.byteLength(unit) > NAME_BYTES_MAX) {
      names.push(`${name}%+`);
      name = "";
    }
    name += unit;
  }
  return [...names, name];
}

function escaped(text: string): string {
  return text.replace(/[%\\\p{Cc}]/gu, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
    return `%${code}`;
  });
}

async function writeObject(
  file: FileHandle,
  body: AsyncIterable<Uint8Array>,
  footer: Footer,
  signal: AbortSignal,
): Promise<void> {
  let tail: Uint8Array = new Uint8Array(0);
  for await (const part of body) {
    signal.throwIfAborted();
    await writeAll(file, part);
    tail = Buffer.concat([tail, part.subarray(-MAGIC.length)]).subarray(-MAGIC.length);
  }
  const isPlain = footer.expiresAtMs === null && Object.keys(footer.metadata).length === 0;
  if (isPlain && Buffer.compare(tail, MAGIC) !== 0) return;
  const text = Buffer.from(JSON.stringify(footer));
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(crc32(text), 0);
  numbers.writeUInt32LE(text.length, 4);
  await writeAll(file, Buffer.concat([text, numbers, MAGIC]));
}

async function writeAll(file: FileHandle, part: Uint8Array): Promise<void> {
  for (let at = 0; at < part.length; ) {
    const { bytesWritten } = await file.write(part, at, part.length - at).catch(refused);
    at += bytesWritten;
  }
}

async function readFooter(
  file: FileHandle,
  size: number,
  path: string,
): Promise<{ readonly bytes: number; readonly footer: Footer }> {
  const plain = { bytes: size, footer: PLAIN };
  if (size < TAIL_BYTES) return plain;
  const tail = await readExactly(file, size - TAIL_BYTES, TAIL_BYTES);
  if (Buffer.compare(tail.subarray(8), MAGIC) !== 0) return plain;
  const length = tail.readUInt32LE(4);
  const bytes = size - TAIL_BYTES - length;
  if (length > FOOTER_BYTES_MAX || bytes < 0) throw originError(`${path} has a damaged footer`);
  const text = await readExactly(file, bytes, length);
  if (crc32(text) !== tail.readUInt32LE(0)) throw originError(`${path} has a damaged footer`);
  // Written by us: its checksum says so.
  const footer = JSON.parse(text.toString("utf8")) as Footer;
  return { bytes, footer };
}

async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await file.read(buffer, at, length - at, position + at);
    if (bytesRead === 0) throw originError("a file became shorter while it was read");
    at += bytesRead;
  }
  return buffer;
}

/** The body of an open file. The file is closed at its end, or when it is left. */
class FileBody implements AsyncIterable<Uint8Array> {
  readonly #file: FileHandle;
  readonly #bytes: number;
  readonly #signal: AbortSignal;
  /** No Buffer: the `slice` of one is no copy. */
  readonly #buffer: Uint8Array;
  #at = 0;
  #isOpen = true;

  constructor(file: FileHandle, bytes: number, signal: AbortSignal) {
    this.#file = file;
    this.#bytes = bytes;
    this.#signal = signal;
    this.#buffer = new Uint8Array(Math.min(bytes, READ_BYTES));
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: async () => await this.#next(),
      return: async () => {
        await this.#close();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      this.#signal.throwIfAborted();
      const length = Math.min(this.#bytes - this.#at, READ_BYTES);
      if (this.#isOpen && length > 0) {
        const { bytesRead } = await this.#file.read(this.#buffer, 0, length, this.#at);
        if (bytesRead === 0) throw originError("a file became shorter while it was read");
        this.#at += bytesRead;
        return { done: false, value: this.#buffer.subarray(0, bytesRead) };
      }
    } catch (error) {
      await this.#close();
      return refused(error);
    }
    await this.#close();
    return { done: true, value: undefined };
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(refused);
  try {
    await folder.sync().catch(refused);
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Also a path through a file: an object `a` hides `a/b`. */
function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(codeOf(error));
}

function refused(error: unknown): never {
  if (error instanceof CacheError || codeOf(error) === "" || codeOf(error) === "ABORT_ERR")
    throw error;
  if (["EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY"].includes(codeOf(error))) {
    const text = "a folder cannot hold an object a and another a/b";
    throw new CacheError("ICACHE_INVALID", text, { cause: error });
  }
  if (codeOf(error) === "ENAMETOOLONG")
    throw new CacheError("ICACHE_TOO_LARGE", "the key is too long for this folder", {
      cause: error,
    });
  throw originError(error instanceof Error ? error.message : String(error), error);
}
