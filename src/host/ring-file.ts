// The membership document in a file: looked at by its size and time, read and checked only when those have changed.
// It decides nothing about the document. Write a new one beside it and rename it over: half of one is a fault.

import { readFileSync, statSync } from "node:fs";
import { type Membership, parseMembership, type RingNews } from "../core/membership.ts";

/** See the header. */
export class RingFile {
  readonly #path: string;
  #seen = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** What is new since the last call. A file that cannot be read is a fault once. */
  read(): RingNews {
    try {
      const { mtimeNs, size, ino } = statSync(this.#path, { bigint: true });
      const seen = `${mtimeNs}/${size}/${ino}`;
      if (seen === this.#seen) return { kind: "unchanged" };
      this.#seen = seen;
      return { kind: "document", membership: readMembership(this.#path) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof RangeError) return { kind: "fault", reason };
      const isNew = this.#seen !== reason;
      this.#seen = reason;
      return isNew ? { kind: "fault", reason } : { kind: "unchanged" };
    }
  }
}

/** Reads a document; throws RangeError with all that is wrong with it. */
export function readMembership(path: string): Membership {
  const parsed = parseMembership(parseJson(readFileSync(path, "utf8"), path));
  if (parsed.kind === "ok") return parsed.membership;
  throw new RangeError(parsed.faults.map((fault) => `${path}: ${fault}`).join("\n"));
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RangeError(`${path} does not hold JSON`);
  }
}
