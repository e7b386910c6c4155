// The files of a journal in memory, of which a power cut leaves what was synced, and any part of the rest.

import { crc32 } from "node:zlib";
import type { JournalFiles } from "../../../src/origin/journal.ts";

interface Segment {
  bytes: Uint8Array;
  syncedBytes: number;
}

/** See the header. */
export class MemoryFiles implements JournalFiles {
  readonly segments = new Map<number, Segment>();
  /** Writes and syncs until the power is cut. */
  operationsLeft = Number.POSITIVE_INFINITY;

  checksum(bytes: Uint8Array): number {
    return crc32(bytes);
  }

  async list() {
    return [...this.segments].map(([segment, { bytes }]) => ({ segment, bytes: bytes.length }));
  }

  async read(segment: number, position: number, bytes: number): Promise<Uint8Array> {
    const found = this.segments.get(segment);
    if (found === undefined) throw new Error(`file ${segment} is gone`);
    return found.bytes.slice(position, position + bytes);
  }

  async append(segment: number, bytes: Uint8Array): Promise<void> {
    const found = this.segments.get(segment) ?? { bytes: new Uint8Array(0), syncedBytes: 0 };
    this.segments.set(segment, found);
    const isCut = this.#spend();
    // A write under way when the power goes may leave a part.
    const written = isCut ? bytes.subarray(0, bytes.length >> 1) : bytes;
    found.bytes = new Uint8Array(Buffer.concat([found.bytes, written]));
    if (isCut) throw new Error("the power is gone");
  }

  async sync(segment: number): Promise<void> {
    if (this.#spend()) throw new Error("the power is gone");
    const found = this.segments.get(segment);
    if (found !== undefined) found.syncedBytes = found.bytes.length;
  }

  async truncate(segment: number, bytes: number): Promise<void> {
    const found = this.segments.get(segment);
    if (found !== undefined) found.bytes = found.bytes.slice(0, bytes);
    if (found !== undefined) found.syncedBytes = bytes;
  }

  async remove(segment: number): Promise<void> {
    if (this.#spend()) throw new Error("the power is gone");
    this.segments.delete(segment);
  }

  async close(): Promise<void> {}

  /** What the next start finds: of each file's unsynced end a part between none and all, and perhaps with a flipped bit. */
  afterPowerCut(kept: number, isSpoilt: boolean): MemoryFiles {
    const next = new MemoryFiles();
    for (const [segment, { bytes, syncedBytes }] of this.segments) {
      const loose = Math.floor((bytes.length - syncedBytes) * kept);
      const left = bytes.slice(0, syncedBytes + loose);
      if (isSpoilt && loose > 0) left[syncedBytes + (loose >> 1)]! ^= 4;
      next.segments.set(segment, { bytes: left, syncedBytes: left.length });
    }
    return next;
  }

  #spend(): boolean {
    this.operationsLeft -= 1;
    return this.operationsLeft < 0;
  }
}
