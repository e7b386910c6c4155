// Deployment packages on disk: each unpacked once into a folder named by its hash, which instances
// load from. An update never changes the files under a running instance.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { invalidParameter } from "./errors.ts";
import { readZip, ZipError } from "./zip.ts";

/** A package that is ready to run. */
export interface StoredCode {
  readonly directory: string;
  /** Base64, as the API reports it. */
  readonly sha256: string;
  readonly bytes: number;
}

/** The `Code` member of CreateFunction, or the body of UpdateFunctionCode. */
export interface CodeRequest {
  readonly ZipFile?: unknown;
  readonly S3Bucket?: unknown;
  readonly S3Key?: unknown;
}

/** The extension for local use: with this bucket, the key is the absolute path of a bundle or a zip. */
export const LOCAL_FILE_BUCKET = "local-file";

const PACKAGE_BYTES_MAX = 52_428_800;
const UNPACKED_BYTES_MAX = 262_144_000;

/** Unpacks and remembers packages below one folder, which its owner removes. */
export class CodeStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Stores the package of a request; throws the API's error when it cannot be read. */
  store(request: CodeRequest): StoredCode {
    if (typeof request.ZipFile === "string") {
      return this.#storeZip(Buffer.from(request.ZipFile, "base64"));
    }
    if (request.S3Bucket === LOCAL_FILE_BUCKET && typeof request.S3Key === "string") {
      return this.#storeFile(request.S3Key);
    }
    throw invalidParameter(
      `Provide Code.ZipFile, or S3Bucket "${LOCAL_FILE_BUCKET}" with S3Key = the absolute path of a bundle.`,
    );
  }

  #storeFile(path: string): StoredCode {
    if (!isAbsolute(path)) throw invalidParameter(`S3Key must be an absolute path: ${path}`);
    let bytes: Buffer;
    try {
      if (statSync(path).size > PACKAGE_BYTES_MAX) throw invalidParameter("The file is too large.");
      bytes = readFileSync(path);
    } catch (cause) {
      if (cause instanceof Error && "code" in cause) {
        throw invalidParameter(`Error occurred while reading ${path}: ${cause.message}`);
      }
      throw cause;
    }
    if (path.endsWith(".zip")) return this.#storeZip(bytes);
    return this.#write(bytes, new Map([[basename(path), bytes]]));
  }

  #storeZip(archive: Buffer): StoredCode {
    if (archive.length > PACKAGE_BYTES_MAX) {
      throw invalidParameter("The package is above 52428800 bytes.");
    }
    try {
      return this.#write(archive, readZip(archive, UNPACKED_BYTES_MAX));
    } catch (error) {
      if (error instanceof ZipError) throw invalidParameter(error.message);
      throw error;
    }
  }

  #write(archive: Buffer, files: ReadonlyMap<string, Buffer>): StoredCode {
    const hash = createHash("sha256").update(archive);
    // The same bytes under another file name are another package, but report the same hash.
    const names = createHash("sha256")
      .update([...files.keys()].join("\n"))
      .digest("hex");
    const sha256 = hash.digest("base64");
    const folder = `${Buffer.from(sha256, "base64").toString("hex").slice(0, 32)}-${names.slice(0, 8)}`;
    const directory = join(this.#root, folder);
    for (const [path, content] of files) {
      const target = join(directory, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, content);
    }
    return { directory, sha256, bytes: archive.length };
  }
}
