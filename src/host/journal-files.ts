// The files of a journal in a folder that one process has at a time: segment-NNNNNNNN.log.

import { constants } from "node:fs";
import { type FileHandle, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { Journal, type JournalFiles } from "../origin/journal.ts";
import { lockState, type StateLock } from "./state-lock.ts";

const JOURNAL_BYTES_MAX_DEFAULT = 1_024 * 1_024 * 1_024;
const NAME = /^segment-(\d{8,})\.log$/;

/** Locks the folder, which is made where it is absent; throws a StateError that names the holder. */
function openJournalFiles(folder: string): JournalFiles {
  return new DirectoryJournalFiles(folder, lockState(folder));
}

/** Opens the journal in a folder, which one process may have at a time; `bytesMax` bounds its files. */
export async function openJournal(
  folder: string,
  { bytesMax = JOURNAL_BYTES_MAX_DEFAULT }: { readonly bytesMax?: number } = {},
): Promise<Journal> {
  const files = openJournalFiles(folder);
  try {
    return await Journal.open(files, { bytesMax, now: Date.now });
  } catch (error) {
    await files.close();
    throw error;
  }
}

class DirectoryJournalFiles implements JournalFiles {
  readonly checksum = (bytes: Uint8Array): number => crc32(bytes);
  readonly #folder: string;
  readonly #lock: StateLock;
  readonly #open = new Map<number, FileHandle>();

  constructor(folder: string, lock: StateLock) {
    this.#folder = folder;
    this.#lock = lock;
  }

  async list(): Promise<readonly { readonly segment: number; readonly bytes: number }[]> {
    const names = (await readdir(this.#folder)).filter((name) => NAME.test(name));
    return await Promise.all(
      names.map(async (name) => ({
        segment: Number(NAME.exec(name)?.[1]),
        bytes: (await stat(join(this.#folder, name))).size,
      })),
    );
  }

  async read(segment: number, position: number, bytes: number): Promise<Uint8Array> {
    const file = await this.#file(segment);
    const into = new Uint8Array(bytes);
    let at = 0;
    while (at < bytes) {
      const { bytesRead } = await file.read(into, at, bytes - at, position + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return into.subarray(0, at);
  }

  async append(segment: number, bytes: Uint8Array): Promise<void> {
    const file = await this.#file(segment);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, at, bytes.length - at, null);
      at += bytesWritten;
    }
  }

  async sync(segment: number): Promise<void> {
    await (await this.#file(segment)).datasync();
  }

  async truncate(segment: number, bytes: number): Promise<void> {
    const file = await this.#file(segment);
    await file.truncate(bytes);
    await file.sync();
  }

  async remove(segment: number): Promise<void> {
    const file = this.#open.get(segment);
    this.#open.delete(segment);
    await file?.close();
    await unlink(this.#path(segment));
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await file.close();
    this.#open.clear();
    this.#lock.release();
  }

  async #file(segment: number): Promise<FileHandle> {
    const known = this.#open.get(segment);
    if (known !== undefined) return known;
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND;
    const file = await open(this.#path(segment), flags, 0o600);
    const raced = this.#open.get(segment);
    if (raced !== undefined) {
      await file.close();
      return raced;
    }
    this.#open.set(segment, file);
    // The file's name must be as durable as what is written into it.
    const folder = await open(this.#folder, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    return file;
  }

  #path(segment: number): string {
    return join(this.#folder, `segment-${String(segment).padStart(8, "0")}.log`);
  }
}
