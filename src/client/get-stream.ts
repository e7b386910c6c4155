// Opens a stream of an object: a GET whose stripes go into pooled buffers and out to an async iterator. The answer
// is a hit once the first stripe is held, so that a body that was promised has begun.

import { assert } from "../core/assert.ts";
import { CacheError } from "../core/errors.ts";
import type { ObjectKey } from "../core/ids.ts";
import type { Clock } from "../core/ports.ts";
import type { GetOptions, Miss, ObjectInfo } from "./api.ts";
import type { CacheMemory } from "./cache-options.ts";
import type { DirectHub } from "./direct-hub.ts";
import type { GetOutcome, RepairOffers } from "./get-contract.ts";
import { GetOperation } from "./get-operation.ts";
import { infoOf } from "./replies.ts";
import type { Runner } from "./runner.ts";
import { StreamBody } from "./stream-body.ts";
import { StreamSink } from "./stream-sink.ts";
import { DEADLINE_MS_MAX } from "./validate.ts";

/** What an opened stream is, or why there is none. */
export type OpenedStream =
  | {
      readonly kind: "hit";
      readonly object: ObjectInfo;
      readonly start: number;
      readonly end: number;
      readonly body: AsyncIterable<Uint8Array>;
    }
  | Miss;

/** What streams of one cache share. */
export interface StreamContext {
  readonly runner: Runner;
  readonly clock: Clock;
  readonly memory: CacheMemory;
  readonly repairs: RepairOffers | null;
  readonly hub: DirectHub | null;
  readonly readBytesPerSecondMin: number;
  /** Bodies that are being read, for the cache's end. */
  readonly bodies: Set<StreamBody>;
}

/** Opens one stream; arguments are checked already. */
export function openStream(
  context: StreamContext,
  key: ObjectKey,
  options: GetOptions,
): Promise<OpenedStream> {
  const { runner, clock, memory, repairs, hub, bodies } = context;
  const { start, end = Number.MAX_SAFE_INTEGER } = options.range ?? { start: 0 };
  runner.checkOpen();
  return new Promise((resolve, reject) => {
    let hasHit = false;
    let core: GetOperation | null = null;
    // The reader that leaves, or is too slow, ends the GET as a signal would.
    const leaving = new AbortController();
    const sink = new StreamSink({
      pool: memory.getStreams,
      clock,
      readBytesPerSecondMin: context.readBytesPerSecondMin,
      bytesMax: end - start,
      onHit: (found) => {
        hasHit = true;
        const object = infoOf(key, found.message);
        resolve({ kind: "hit", object, start: found.start, end: found.end, body });
      },
      onReady: () => body.poke(),
      onRoom: () => core?.pull(),
      onSlow: (error) => {
        body.fail(error);
        leaving.abort(error);
      },
    });
    const body = new StreamBody(sink, () => {
      bodies.delete(body);
      leaving.abort();
    });
    bodies.add(body);
    const fail = (error: unknown) => {
      body.fail(error);
      bodies.delete(body);
      if (hasHit) return;
      const isLate = error instanceof CacheError && error.code === "ICACHE_DEADLINE";
      if (isLate) resolve({ kind: "miss", reason: "unreachable" });
      else reject(error);
    };
    const signal =
      options.signal === undefined
        ? leaving.signal
        : AbortSignal.any([leaving.signal, options.signal]);
    const wantAll = options.firstD === "all";
    const request = { key, start, end, wantAll, stripesAhead: 1, proxyDeadlineMs: DEADLINE_MS_MAX };
    const running = runner.run<GetOutcome>(
      { name: "getStream", target: { key }, deadlineFrom: "progress", usesCallersMemory: false },
      { ...options, signal },
      (host) => {
        core = new GetOperation(host, request, sink, memory.scratch, repairs, hub);
        return core;
      },
    );
    running.then((outcome) => {
      assert(outcome.kind !== "unchanged", "a stream names no version");
      if (outcome.kind === "hit") body.poke();
      else if (hasHit) fail(lostMidway(outcome));
      else {
        sink.leave(false);
        bodies.delete(body);
        resolve(outcome);
      }
    }, fail);
  });
}

function lostMidway({ reason }: Miss): CacheError {
  return new CacheError(
    "ICACHE_UNREACHABLE",
    `the object could not be read to its end: it is ${reason} now`,
  );
}
