/**
 * The WebAssembly kernel: compiles the inlined module once and instantiates it over a memory of a fixed size, one for
 * ordinary buffers and one for each arena. It never grows a memory, because that would detach every view of it.
 */
import { ARENA_AT, type Kernel, LIST_AT, TABLES_AT, writeTables } from "./kernel.ts";
import { kernelBytes } from "./kernel.wasm.ts";

interface KernelExports {
  pq(
    list: number,
    count: number,
    pIn: number,
    qIn: number,
    pOut: number,
    qOut: number,
    bytes: number,
  ): void;
  xor(list: number, count: number, out: number, bytes: number): void;
  combine(list: number, count: number, tables: number, out: number, bytes: number): void;
  isZero(at: number, bytes: number): number;
}

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** The part of the WebAssembly global that is used: its full types come with the DOM library only. */
interface WebAssemblyGlobal {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Memory: new (pages: { initial: number; maximum: number }) => Memory;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: Memory } },
  ) => { readonly exports: object };
}

const PAGE_BYTES = 65536;

interface Compiled {
  readonly engine: WebAssemblyGlobal;
  readonly module: object;
}

let compiled: Compiled | null | undefined;
let ordinary: Kernel | undefined;
const byMemory = new WeakMap<ArrayBufferLike, Kernel>();

/** The kernel for buffers in ordinary memory, or null where WebAssembly or its SIMD is missing. */
export function wasmKernel(): Kernel | null {
  ordinary ??= createWasmKernel(0) ?? undefined;
  return ordinary ?? null;
}

/** The kernel whose heap a buffer is a view of, if there is one. */
export function kernelOfMemory(buffer: ArrayBufferLike): Kernel | undefined {
  return byMemory.get(buffer);
}

/** A kernel with at least this many bytes of its heap, from `ARENA_AT` on, for the caller. Null as above. */
export function createWasmKernel(arenaBytes: number): Kernel | null {
  if (compiled === undefined) compiled = compile();
  if (compiled === null) return null;
  const { engine, module } = compiled;
  const pages = Math.ceil((ARENA_AT + arenaBytes) / PAGE_BYTES);
  const memory = new engine.Memory({ initial: pages, maximum: pages });
  const instance = new engine.Instance(module, { env: { memory } });
  // The module is the one built from tools/kernels/erasure.wat, whose exports these are.
  const kernel = new WasmKernel(memory, instance.exports as KernelExports);
  byMemory.set(memory.buffer, kernel);
  return kernel;
}

function compile(): Compiled | null {
  // The global is there in every engine that has WebAssembly; its type is declared above.
  const engine = (globalThis as { readonly WebAssembly?: WebAssemblyGlobal }).WebAssembly;
  if (engine === undefined) return null;
  try {
    return { engine, module: new engine.Module(kernelBytes()) };
  } catch {
    return null; // An engine without SIMD refuses the module; the portable twin gives the same results.
  }
}

class WasmKernel implements Kernel {
  readonly heap: Uint8Array<ArrayBuffer>;
  readonly #list: Uint32Array;
  readonly #exports: KernelExports;

  constructor(memory: Memory, exports: KernelExports) {
    this.heap = new Uint8Array(memory.buffer);
    this.#list = new Uint32Array(memory.buffer, LIST_AT, TABLES_AT / 4);
    this.#exports = exports;
    writeTables(this.heap);
  }

  enter(index: number, address: number, coefficient: number): void {
    this.#list[index * 2] = address;
    this.#list[index * 2 + 1] = coefficient;
  }

  pq(count: number, pIn: number, qIn: number, pOut: number, qOut: number, bytes: number): void {
    this.#exports.pq(LIST_AT, count, pIn, qIn, pOut, qOut, bytes);
  }

  xor(count: number, out: number, bytes: number): void {
    this.#exports.xor(LIST_AT, count, out, bytes);
  }

  combine(count: number, out: number, bytes: number): void {
    this.#exports.combine(LIST_AT, count, TABLES_AT, out, bytes);
  }

  isZero(at: number, bytes: number): boolean {
    return this.#exports.isZero(at, bytes) !== 0;
  }
}
