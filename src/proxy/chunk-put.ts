// One chunk of a stripe that is being put: where it goes, how far it is, and what its client may send. StripePut alone
// changes it.

import type { InstanceId, NodeIndex } from "../core/ids.ts";
import { PUT_CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { WireChunkId } from "../wire/messages.ts";
import type { Upload } from "./chunk-upload.ts";
import type { DirectWay } from "./direct-upload.ts";
import type { TransferBudget, TransferCredit } from "./transfer-credit.ts";

/** See the header. */
export interface ChunkPut {
  readonly index: number;
  readonly id: WireChunkId;
  readonly bytes: number;
  node: NodeIndex;
  attempt: number;
  upload: Upload | null;
  /** The way past the proxy, which the client was told; null: through it. */
  way: DirectWay | null;
  /** Bytes of this attempt that came from the client. */
  received: number;
  /** What the client may send of this attempt; null before it begins, and past the proxy. */
  credit: TransferCredit | null;
  movedAt: number;
  state: "pending" | "stored" | "failed";
  instance: InstanceId | null;
}

/** Nothing of it has come. */
export function newChunkPut(
  index: number,
  id: WireChunkId,
  bytes: number,
  node: NodeIndex,
  movedAt: number,
): ChunkPut {
  return {
    ...{ index, id, bytes, node, movedAt },
    ...{ attempt: 0, upload: null, way: null, received: 0, credit: null },
    ...{ state: "pending", instance: null },
  };
}

/** The credit of an attempt that begins: its client sends a little without being asked. */
export function creditFor({ bytes }: ChunkPut, budget: TransferBudget): TransferCredit {
  const credit = budget.begin();
  credit.promise(Math.min(bytes, PUT_CREDIT_BYTES_INITIAL));
  return credit;
}

/** Its upload is over, one way or the other. */
export function endUpload(chunk: ChunkPut): void {
  chunk.upload = null;
  chunk.credit?.end();
  chunk.credit = null;
}
