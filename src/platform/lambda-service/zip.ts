// Reads a deployment package: the stored and deflated files of a zip archive, by its central
// directory. Never writes one, never follows zip64, encryption or split archives (refused by name).

import { crc32, inflateRawSync } from "node:zlib";

/** The archive is not one that can be deployed. */
export class ZipError extends Error {
  override readonly name = "ZipError";
}

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
const FILES_MAX = 10_000;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED_FLAG = 1;

/** All files (not folders) by path. `unpackedBytesMax` bounds their sum; crossing it throws. */
export function readZip(archive: Buffer, unpackedBytesMax: number): Map<string, Buffer> {
  try {
    return readFiles(archive, unpackedBytesMax);
  } catch (error) {
    if (error instanceof ZipError) throw error;
    // Offsets of a damaged archive point outside of it, or its data does not inflate.
    throw new ZipError("Could not unzip uploaded file.", { cause: error });
  }
}

function readFiles(archive: Buffer, unpackedBytesMax: number): Map<string, Buffer> {
  const end = findEnd(archive);
  const count = archive.readUInt16LE(end + 10);
  if (count > FILES_MAX) throw new ZipError(`More than ${FILES_MAX} files.`);
  let at = archive.readUInt32LE(end + 16);
  const files = new Map<string, Buffer>();
  let left = unpackedBytesMax;
  for (let index = 0; index < count; index++) {
    if (archive.readUInt32LE(at) !== ENTRY_SIGNATURE) throw new ZipError("Bad central directory.");
    const nameBytes = archive.readUInt16LE(at + 28);
    const path = archive.toString("utf8", at + 46, at + 46 + nameBytes);
    if (isUnsafe(path)) throw new ZipError(`Path leaves the archive: ${path}`);
    if (!path.endsWith("/")) {
      const bytes = readEntry(archive, at, left);
      left -= bytes.length;
      files.set(path, bytes);
    }
    at += 46 + nameBytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return files;
}

function findEnd(archive: Buffer): number {
  const from = Math.max(0, archive.length - END_BYTES - COMMENT_BYTES_MAX);
  for (let at = archive.length - END_BYTES; at >= from; at--) {
    if (archive.readUInt32LE(at) === END_SIGNATURE) return at;
  }
  throw new ZipError("Could not unzip uploaded file. Please check your file, then try again.");
}

function readEntry(archive: Buffer, entry: number, bytesMax: number): Buffer {
  if ((archive.readUInt16LE(entry + 8) & ENCRYPTED_FLAG) !== 0) {
    throw new ZipError("Encrypted archives are not supported.");
  }
  const method = archive.readUInt16LE(entry + 10);
  const packedBytes = archive.readUInt32LE(entry + 20);
  const bytes = archive.readUInt32LE(entry + 24);
  const local = archive.readUInt32LE(entry + 42);
  if (packedBytes === 0xffffffff || local === 0xffffffff) throw new ZipError("zip64 is refused.");
  if (bytes > bytesMax) throw new ZipError("Unzipped size must be smaller than 262144000 bytes");
  if (archive.readUInt32LE(local) !== LOCAL_SIGNATURE) throw new ZipError("Bad local header.");
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  if (start + packedBytes > archive.length) throw new ZipError("Truncated archive.");
  const content = unpack(archive.subarray(start, start + packedBytes), method, bytes);
  if (crc32(content) !== archive.readUInt32LE(entry + 16)) throw new ZipError("Bad CRC.");
  return content;
}

function unpack(packed: Buffer, method: number, bytes: number): Buffer {
  if (method === STORED) return packed;
  if (method !== DEFLATED) throw new ZipError(`Compression method ${method} is not supported.`);
  // The declared size is not trusted: inflating stops just above it.
  const unpacked = inflateRawSync(packed, { maxOutputLength: Math.max(1, bytes) });
  if (unpacked.length !== bytes) throw new ZipError("A file differs from its declared size.");
  return unpacked;
}

function isUnsafe(path: string): boolean {
  return path.startsWith("/") || path.includes("\\") || path.split("/").includes("..");
}
