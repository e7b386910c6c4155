/**
 * Systematic Reed–Solomon codes d+p: encode, verify, reconstruct. The front of this room, with `arena.ts`.
 * A code is stateless to its caller and allocates no shard; all work is synchronous. `matrix.ts` defines the parity:
 * d+0 is RAID-0, 1+1 RAID-1, d+1 RAID-4, d+2 RAID-6 with P and Q.
 *
 * Lost data is found by syndromes: what a parity row lacks after the surviving data has been summed is the weighed sum
 * of the lost. With one lost that is an xor, with two a P+Q pass and a 2×2 solution, cheaper than a row of the
 * inverse matrix for every lost shard, which would need a multiplication for every byte of every survivor.
 */
import { Coding } from "./coding.ts";
import type { Kernel } from "./kernel.ts";
import { createPortableKernel } from "./kernel-portable.ts";
import { kernelOfMemory, wasmKernel } from "./kernel-wasm.ts";
import { invert, parityRows, SHARDS_MAX } from "./matrix.ts";

/**
 * One code. Shards are indexed from 0, data first. All buffers are the caller's, borrowed until the call returns; none
 * may overlap another. Every method throws RangeError on wrong counts or sizes, before it writes anything.
 *
 * ```ts
 * const code = createCode(4, 2);
 * code.encode(data, parity, shardBytes);
 * code.reconstruct([...data, ...parity], present, wanted, shardBytes);
 * ```
 */
export interface ErasureCode {
  readonly dataShards: number;
  readonly parityShards: number;
  /**
   * Overwrites parity. Data shards may be shorter than `shardBytes`, even empty: missing tail bytes count as zero.
   * Every parity shard has `shardBytes`; null ones are not computed.
   */
  encode(
    data: readonly Uint8Array[],
    parity: readonly (Uint8Array | null)[],
    shardBytes: number,
  ): void;
  /** Whether parity is that of the data. Writes nothing. */
  verify(data: readonly Uint8Array[], parity: readonly Uint8Array[], shardBytes: number): boolean;
  /**
   * Fills wanted shards from present ones. `shards` are all d+p; `present` says which are valid inputs, `wanted` which
   * of the others to fill; the rest is not touched and may be null. Of a data shard shorter than `shardBytes` only its
   * own length is written. Throws when fewer than d are present.
   */
  reconstruct(
    shards: readonly (Uint8Array | null)[],
    present: readonly boolean[],
    wanted: readonly boolean[],
    shardBytes: number,
  ): void;
}

const cache = new Map<number, ErasureCode>();
let portableKernel: Kernel | undefined;

/** The code d+p on the WebAssembly kernel where the engine has it, else the portable one. One for each (d, p). */
export function createCode(dataShards: number, parityShards: number): ErasureCode {
  const key = dataShards * (SHARDS_MAX + 1) + parityShards;
  const known = cache.get(key);
  if (known?.dataShards === dataShards && known.parityShards === parityShards) return known;
  const code = new ReedSolomon(dataShards, parityShards, wasmKernel());
  cache.set(key, code); // At most one for each of the 32,640 legal pairs; a handful in practice.
  return code;
}

/** The code d+p in plain TypeScript: the same results, several times slower. */
export function createPortableCode(dataShards: number, parityShards: number): ErasureCode {
  return new ReedSolomon(dataShards, parityShards, null);
}

class ReedSolomon implements ErasureCode {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly #rows: readonly Uint8Array[];
  readonly #usesWasm: boolean;
  readonly #ordinary: Coding;
  readonly #byKernel = new WeakMap<Kernel, Coding>();
  readonly #outputs: Uint32Array;

  constructor(dataShards: number, parityShards: number, wasm: Kernel | null) {
    this.#rows = parityRows(dataShards, parityShards);
    this.dataShards = dataShards;
    this.parityShards = parityShards;
    this.#usesWasm = wasm !== null;
    if (wasm === null) portableKernel ??= createPortableKernel();
    // One of the two is there: the line above.
    this.#ordinary = new Coding((wasm ?? portableKernel) as Kernel, dataShards, this.#rows);
    this.#outputs = new Uint32Array(parityShards);
  }

  encode(
    data: readonly Uint8Array[],
    parity: readonly (Uint8Array | null)[],
    shardBytes: number,
  ): void {
    const shards = [...data, ...parity];
    this.#check([data.length, parity.length], shards, shardBytes);
    if (parity.every((shard) => shard === null)) return;
    const coding = this.#codingFor(shards);
    for (let more = coding.start(shardBytes); more; more = coding.next(shardBytes)) {
      data.forEach((shard, index) => {
        coding.load(index, shard);
      });
      this.#fillParity(coding, parity);
    }
  }

  verify(data: readonly Uint8Array[], parity: readonly Uint8Array[], shardBytes: number): boolean {
    const shards = [...data, ...parity];
    this.#check([data.length, parity.length], shards, shardBytes);
    const coding = this.#codingFor(shards);
    const rows = parity.map((_, row) => row);
    for (let more = coding.start(shardBytes); more; more = coding.next(shardBytes)) {
      shards.forEach((shard, index) => {
        coding.load(index, shard);
      });
      this.#sumSyndromes(coding, rows);
      if (!rows.every((row) => coding.isZero(row))) return false;
    }
    return true;
  }

  reconstruct(
    shards: readonly (Uint8Array | null)[],
    present: readonly boolean[],
    wanted: readonly boolean[],
    shardBytes: number,
  ): void {
    const { dataShards } = this;
    this.#check([dataShards, shards.length - dataShards], shards, shardBytes);
    this.#checkFlags(shards, present, wanted);
    if (!wanted.includes(true)) return;
    const parity = shards
      .slice(dataShards)
      .map((shard, row) => (wanted[dataShards + row] ? shard : null));
    const wantsParity = parity.some((shard) => shard !== null);
    const lost = lostOf(present.slice(0, dataShards));
    // Parity needs all of the data; else only wanted data is worth solving for.
    const solved = lost.filter((index) => wantsParity || wanted[index]);
    const rows = solved.length === 0 ? [] : firstPresent(present.slice(dataShards), lost.length);
    const inverse = invert(rows.map((row) => this.#weightsOf(row, lost)));
    const inputs = [...shards.keys()].filter(
      (index) => present[index] && (index < dataShards || rows.includes(index - dataShards)),
    );
    const coding = this.#codingFor(shards);
    for (let more = coding.start(shardBytes); more; more = coding.next(shardBytes)) {
      for (const index of lost) coding.addresses[index] = 0;
      for (const index of inputs) coding.load(index, shards[index] as Uint8Array);
      this.#sumSyndromes(coding, rows);
      for (const index of solved) {
        const home = wanted[index] ? (shards[index] as Uint8Array) : null;
        coding.place(index, home);
        coding.solve(index, rows, inverse[lost.indexOf(index)] as Uint8Array);
        if (home !== null) coding.store(index, home);
      }
      if (wantsParity) this.#fillParity(coding, parity);
    }
  }

  #weightsOf(row: number, lost: readonly number[]): Uint8Array {
    const weights = this.#rows[row] as Uint8Array;
    return Uint8Array.from(lost, (index) => weights[index] as number);
  }

  #sumSyndromes(coding: Coding, rows: readonly number[]): void {
    this.#outputs.fill(0);
    for (const row of rows) this.#outputs[row] = coding.syndrome(row);
    coding.sumRows(this.#outputs, true);
  }

  #fillParity(coding: Coding, parity: readonly (Uint8Array | null)[]): void {
    this.#outputs.fill(0);
    parity.forEach((shard, row) => {
      if (shard === null) return;
      coding.place(this.dataShards + row, shard);
      this.#outputs[row] = coding.addresses[this.dataShards + row] as number;
    });
    coding.sumRows(this.#outputs, false);
    parity.forEach((shard, row) => {
      if (shard !== null) coding.store(this.dataShards + row, shard);
    });
  }

  /** The coding over the arena that the first shard in one is a view of; shards elsewhere are copied. */
  #codingFor(shards: readonly (Uint8Array | null)[]): Coding {
    if (!this.#usesWasm) return this.#ordinary;
    for (const shard of shards) {
      const kernel = shard === null ? undefined : kernelOfMemory(shard.buffer);
      if (kernel === undefined) continue;
      const known = this.#byKernel.get(kernel);
      if (known !== undefined) return known;
      const coding = new Coding(kernel, this.dataShards, this.#rows);
      this.#byKernel.set(kernel, coding);
      return coding;
    }
    return this.#ordinary;
  }

  #check(
    [dataCount, parityCount]: readonly [number, number],
    shards: readonly (Uint8Array | null)[],
    shardBytes: number,
  ): void {
    if (dataCount !== this.dataShards || parityCount !== this.parityShards) {
      throw new RangeError(
        `the code is ${this.dataShards}+${this.parityShards}, the shards are ${dataCount}+${parityCount}`,
      );
    }
    if (!Number.isSafeInteger(shardBytes) || shardBytes < 0) {
      throw new RangeError(`shardBytes must be a safe integer from 0, not ${shardBytes}`);
    }
    shards.forEach((shard, index) => {
      if (shard === null) return;
      const isWrong = index < dataCount ? shard.length > shardBytes : shard.length !== shardBytes;
      if (isWrong) {
        throw new RangeError(
          `shard ${index} has ${shard.length} bytes, shardBytes is ${shardBytes}`,
        );
      }
    });
  }

  #checkFlags(
    shards: readonly (Uint8Array | null)[],
    present: readonly boolean[],
    wanted: readonly boolean[],
  ): void {
    if (present.length !== shards.length || wanted.length !== shards.length) {
      throw new RangeError(
        `${shards.length} shards need as many flags, not ${present.length} and ${wanted.length}`,
      );
    }
    shards.forEach((shard, index) => {
      if (present[index] && wanted[index])
        throw new RangeError(`shard ${index} is present and wanted`);
      if (shard === null && (present[index] || wanted[index])) {
        throw new RangeError(`shard ${index} is present or wanted, but null`);
      }
    });
    const presentCount = present.filter(Boolean).length;
    if (presentCount < this.dataShards) {
      throw new RangeError(`${presentCount} shards are present, ${this.dataShards} are needed`);
    }
  }
}

function lostOf(present: readonly boolean[]): number[] {
  return [...present.keys()].filter((index) => !present[index]);
}

/** The first rows whose parity is present: low rows are the cheap ones. */
function firstPresent(present: readonly boolean[], count: number): number[] {
  return [...present.keys()].filter((row) => present[row]).slice(0, count);
}
