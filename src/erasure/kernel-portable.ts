/**
 * The portable twin of the WebAssembly kernel: plain TypeScript, four bytes at a time in 32-bit integers where it can.
 * Kept plain where speed would cost clarity: it serves engines without WebAssembly SIMD, and as a witness in tests.
 * It never keeps anything between calls but its list.
 */
import { ARENA_AT, COLUMN_BYTES, type Kernel, TABLES_AT, writeTables } from "./kernel.ts";

/** A kernel over `ARENA_AT` bytes of ordinary memory. */
export function createPortableKernel(): Kernel {
  const heap = new Uint8Array(ARENA_AT);
  writeTables(heap);
  return new PortableKernel(heap);
}

const COLUMN_WORDS = COLUMN_BYTES / 4;

/** Doubles each of the four bytes of a word: shift left, and fold the bits that fell out back in as 0x1d. */
function double(word: number): number {
  return ((word & 0x7f7f7f7f) << 1) ^ (((word >>> 7) & 0x01010101) * 0x1d);
}

class PortableKernel implements Kernel {
  readonly heap: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array;
  readonly #addresses = new Uint32Array(256);
  readonly #coefficients = new Uint8Array(256);
  readonly #p = new Int32Array(COLUMN_WORDS);
  readonly #q = new Int32Array(COLUMN_WORDS);
  readonly #sum = new Uint8Array(COLUMN_BYTES);

  constructor(heap: Uint8Array<ArrayBuffer>) {
    this.heap = heap;
    this.#words = new Int32Array(heap.buffer);
  }

  enter(index: number, address: number, coefficient: number): void {
    this.#addresses[index] = address;
    this.#coefficients[index] = coefficient;
  }

  pq(count: number, pIn: number, qIn: number, pOut: number, qOut: number, bytes: number): void {
    const p = this.#p;
    const q = this.#q;
    for (let offset = 0; offset < bytes; offset += COLUMN_BYTES) {
      p.fill(0);
      q.fill(0);
      for (let index = 0; index < count; index += 1) {
        for (let word = 0; word < COLUMN_WORDS; word += 1) q[word] = double(q[word] as number);
        this.#addTo(p, this.#addresses[index] as number, offset);
        this.#addTo(q, this.#addresses[index] as number, offset);
      }
      this.#addTo(p, pIn, offset);
      this.#addTo(q, qIn, offset);
      if (pOut !== 0) this.#words.set(p, (pOut + offset) >>> 2);
      if (qOut !== 0) this.#words.set(q, (qOut + offset) >>> 2);
    }
  }

  xor(count: number, out: number, bytes: number): void {
    const p = this.#p;
    for (let offset = 0; offset < bytes; offset += COLUMN_BYTES) {
      p.fill(0);
      for (let index = 0; index < count; index += 1) {
        this.#addTo(p, this.#addresses[index] as number, offset);
      }
      this.#words.set(p, (out + offset) >>> 2);
    }
  }

  combine(count: number, out: number, bytes: number): void {
    const { heap } = this;
    const sum = this.#sum;
    for (let offset = 0; offset < bytes; offset += COLUMN_BYTES) {
      sum.fill(0);
      for (let index = 0; index < count; index += 1) {
        const at = (this.#addresses[index] as number) + offset;
        const low = TABLES_AT + (this.#coefficients[index] as number) * 32;
        for (let byte = 0; byte < COLUMN_BYTES; byte += 1) {
          const value = heap[at + byte] as number;
          const product =
            (heap[low + (value & 15)] as number) ^ (heap[low + 16 + (value >>> 4)] as number);
          sum[byte] = (sum[byte] as number) ^ product;
        }
      }
      heap.set(sum, out + offset);
    }
  }

  isZero(at: number, bytes: number): boolean {
    const words = this.#words;
    for (let word = at >>> 2; word < (at + bytes) >>> 2; word += 1) {
      if (words[word] !== 0) return false;
    }
    return true;
  }

  /** Addresses are multiples of 4: this heap has no arena, only scratch. Address 0 is a shard of zeros. */
  #addTo(sum: Int32Array, address: number, offset: number): void {
    if (address === 0) return;
    const from = (address + offset) >>> 2;
    for (let word = 0; word < COLUMN_WORDS; word += 1) {
      sum[word] = (sum[word] as number) ^ (this.#words[from + word] as number);
    }
  }
}
