// What a read is asked for, where its bytes go, and how it ends: the types between get-operation.ts and those who use
// it. No behaviour.

import type { CodeSpec } from "../core/code.ts";
import type { ObjectKey } from "../core/ids.ts";
import type { ObjectLayout } from "../core/layout.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { Miss } from "./api.ts";

/** What the proxy said of an object, checked, and which bytes of it are read: [start, end). */
export interface FoundObject {
  readonly message: MessageOf<"found">;
  readonly layout: ObjectLayout;
  readonly code: CodeSpec;
  readonly start: number;
  readonly end: number;
  /** Of the proxy that said so: versions of different pools count for themselves. */
  readonly address: string;
}

/** A version of an object that the reader has whole. */
export interface KnownVersion {
  readonly address: string;
  readonly generation: number;
  readonly version: number;
}

/** A chunk computed anew, to be offered to the proxy. */
export interface LostChunk {
  readonly key: ObjectKey;
  readonly keyHash: Uint8Array;
  readonly generation: number;
  readonly version: number;
  readonly stripe: number;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** Where stripes go. */
export interface GetSink {
  /** Gets memory for the first stripes and calls back, possibly within this call. Called at each beginning. */
  prepare(ready: () => void): void;
  /** The object was found (or found anew after a lost connection). An error ends the read. */
  open(found: FoundObject): unknown;
  /** Memory for `bytes` wanted bytes of a stripe, which begin at `offset` of the result; null: not now, `pull` will be called. Stripes are asked for in order. */
  target(stripe: number, offset: number, bytes: number): Uint8Array | null;
  /** The stripe's wanted bytes are in its target. Stripes can be completed out of order. */
  complete(stripe: number): void;
  /** Whether the read may begin anew after a lost connection. */
  readonly canRestart: boolean;
  /** The transport holds none of the targets any more, and the read has ended. */
  release(): void;
}

/** What is to be read. */
export interface GetRequest {
  readonly key: ObjectKey;
  readonly start: number;
  readonly end: number;
  readonly wantAll: boolean;
  readonly stripesAhead: number;
  /** What the proxy is told; null: a little less than what is left, so that its answer comes before our own deadline. */
  readonly proxyDeadlineMs: number | null;
  /** Nothing needs to be sent if this is the current version. Absent or null: there is none. */
  readonly known?: KnownVersion | null;
}

/** How a read ended. `unchanged`: the version that the request named is the current one. */
export type GetOutcome =
  | {
      readonly kind: "hit";
      readonly found: FoundObject;
      readonly foundMs: number;
      readonly receiveMs: number;
      readonly decodeMs: number;
      readonly totalMs: number;
      readonly reconstructed: number;
    }
  | { readonly kind: "unchanged"; readonly totalMs: number }
  | Miss;

/** Takes chunks that were computed anew. */
export interface RepairOffers {
  /** Whether so many bytes would be taken now. */
  hasRoom(bytes: number): boolean;
  offer(chunk: LostChunk): void;
}
