// Writes a deployment package: a zip archive of a few files, deflated, without time stamps or any
// other difference between two runs, so that its hash says whether the code has changed.

import { crc32, deflateRawSync } from "node:zlib";

const VERSION = 20;
const DEFLATED = 8;
const UTF8_NAMES = 0x0800;
/** 1980-01-01, the earliest date of the format. */
const DATE = 0x0021;
/** A plain file, readable by all: without it AWS unpacks files that nobody may read. */
const READABLE_FILE = 0o100644 * 0x10000;

/** An archive of `files` in the given order; bytes are borrowed until the call returns. */
export function writeZip(files: readonly (readonly [path: string, bytes: Uint8Array])[]): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const [path, bytes] of files) {
    const name = Buffer.from(path);
    const packed = deflateRawSync(bytes, { level: 9 });
    const common = Buffer.alloc(26);
    common.writeUInt16LE(VERSION, 0);
    common.writeUInt16LE(UTF8_NAMES, 2);
    common.writeUInt16LE(DEFLATED, 4);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), common, name, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(READABLE_FILE, 6);
    tail.writeUInt32LE(offset, 10);
    const madeBy = Buffer.from([VERSION, 3]);
    entries.push(Buffer.concat([Buffer.from("PK\x01\x02", "latin1"), madeBy, common, tail, name]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
