// A chunk that a client re-created comes back into the pool: on a fresh node, and recorded only if the table still
// has the version and still misses the chunk.

import { chunkCount } from "../core/code.ts";
import type { InstanceId, NodeIndex } from "../core/ids.ts";
import { PUT_CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { Timer } from "../core/ports.ts";
import type { Message, MessageOf, WireChunkId } from "../wire/messages.ts";
import { ChunkUpload, type UploadOwner } from "./chunk-upload.ts";
import { chunkName } from "./node-space.ts";
import { chunkBytesOf, chunkIdOf, type ObjectVersion, placeOf } from "./object-version.ts";
import type { ClientChannel, Operation, OperationContext } from "./operation.ts";
import { Part } from "./part-pool.ts";

/** A repair that has not ended by then is given up. */
const REPAIR_MS_MAX = 30_000;

/** A repair under way. */
export class RepairOperation implements Operation, UploadOwner {
  readonly isBackground = true;
  readonly #request: MessageOf<"repair">;
  readonly #object: ObjectVersion;
  readonly #id: WireChunkId;
  readonly #node: NodeIndex;
  readonly #upload: ChunkUpload;
  readonly #channel: ClientChannel;
  readonly #context: OperationContext;
  readonly #timer: Timer;
  #received = 0;
  /** Bytes the client may send. */
  #allowed = PUT_CREDIT_BYTES_INITIAL;
  #isOver = false;

  /** Answers a `repair`; null when it ended at once. `isOrdered`: its stripe is claimed and its bytes are paid for. */
  static begin(
    request: MessageOf<"repair">,
    channel: ClientChannel,
    context: OperationContext,
    isOrdered = false,
  ): RepairOperation | null {
    const object = context.table.peek(request.key);
    const answer = (outcome: "obsolete" | "refused"): null => {
      channel.send({ kind: "repaired", outcome });
      return null;
    };
    if (object === null || object.version !== request.version) return answer("obsolete");
    const place = placeOf(object, request.stripe, request.index);
    if (place === undefined || request.index >= chunkCount(object.code)) return answer("refused");
    if (place.instance !== null) return answer("obsolete");
    if (request.bytes !== chunkBytesOf(object, request.stripe, request.index))
      return answer("refused");
    const { stripe, bytes } = request;
    const admitted = isOrdered ? "taken" : context.repairs.admit(object, stripe, bytes);
    if (admitted !== "taken") return answer(admitted === "claimed" ? "obsolete" : "refused");
    if (!context.repairs.claim(chunkName(request))) return answer("obsolete");
    const id = chunkIdOf(object, request.stripe, request.index);
    const taken = new Set<NodeIndex>();
    for (let index = 0; index < chunkCount(object.code); index++) {
      const other = placeOf(object, request.stripe, index);
      if (other !== undefined && other.instance !== null) taken.add(other.node);
      // Where a sibling is being repaired: the table does not have it yet.
      const reserved = context.repairs.nodeOf(chunkName({ ...id, index }));
      if (reserved !== null) taken.add(reserved);
    }
    context.table.pin(object);
    const [node] = context.pool.reserve([{ id, bytes }], taken) ?? [];
    if (node !== undefined) {
      context.repairs.reserved(chunkName(id), node);
      return new RepairOperation(request, object, node, channel, context);
    }
    context.table.unpin(object);
    context.repairs.free(chunkName(request));
    return answer("refused");
  }

  constructor(
    request: MessageOf<"repair">,
    object: ObjectVersion,
    node: NodeIndex,
    channel: ClientChannel,
    context: OperationContext,
  ) {
    this.#request = request;
    this.#object = object;
    this.#node = node;
    this.#id = chunkIdOf(object, request.stripe, request.index);
    this.#channel = channel;
    this.#context = context;
    this.#timer = context.clock.setTimer(REPAIR_MS_MAX, () => this.#answer("refused"));
    const { digestLow, digestHigh, bytes } = request;
    const order = { id: this.#id, bytes, digestLow, digestHigh, purpose: "repair" } as const;
    this.#upload = new ChunkUpload(order, context.pool.link(node), this, (link) =>
      context.pool.sendDrops(link),
    );
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    if (
      message.kind !== "data" ||
      body === null ||
      message.offset !== this.#received ||
      this.#isOver
    )
      return;
    this.#received += body.length;
    this.#upload.feed(new Part(this.#context.parts, body, message.offset));
  }

  bodyPlace(message: Message, bytes: number): Uint8Array | null {
    if (
      message.kind !== "data" ||
      message.offset !== this.#received ||
      this.#received + bytes > this.#request.bytes
    )
      return null;
    return this.#context.parts.take(bytes);
  }

  abandon(): void {
    this.#end(false);
  }

  onForwarded(_upload: ChunkUpload, bytes: number): void {
    if (this.#allowed >= this.#request.bytes) return; // It may send all of it already.
    this.#allowed += bytes;
    const { stripe, index } = this.#request;
    this.#channel.send({ kind: "credit", stripe, index, bytes });
  }

  onStored(_upload: ChunkUpload, instance: InstanceId): void {
    const { stripe, index } = this.#request;
    const { table, pool, counters } = this.#context;
    const isWanted =
      this.#object.isCurrent && placeOf(this.#object, stripe, index)?.instance === null;
    if (!isWanted) return this.#answer("obsolete");
    const space = pool.spaces[this.#node];
    space?.confirm(this.#id, instance);
    const record = space?.chunks.get(chunkName(this.#id));
    if (record !== undefined) record.object = this.#object;
    table.fillPlace(this.#object, stripe, index, { node: this.#node, instance });
    counters.repairs++;
    counters.repairBytes += this.#request.bytes;
    this.#answer("stored");
  }

  onUploadFailed(): void {
    this.#answer("refused");
  }

  #answer(outcome: "stored" | "obsolete" | "refused"): void {
    if (this.#isOver) return;
    this.#end(outcome === "stored");
    this.#channel.send({ kind: "repaired", outcome });
    this.#channel.end();
  }

  #end(isStored: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.cancel();
    this.#upload.cancel();
    if (!isStored) this.#context.pool.spaces[this.#node]?.release(this.#id, true);
    this.#context.repairs.free(chunkName(this.#request));
    this.#context.table.unpin(this.#object);
  }
}
