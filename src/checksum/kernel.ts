/**
 * The WebAssembly side of the checksum: instantiates the kernel once, and absorbs blocks through a tile of its memory.
 * It keeps no hash state between calls, so any number of hashers may be alive and interleaved.
 */
import { type Absorb, STATE_WORDS } from "./columns.ts";
import { kernelBytes } from "./kernel.wasm.ts";

interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  absorb(state: number, at: number, bytes: number): void;
}

/** The part of the WebAssembly global that is used: its full types come with the DOM library only. */
interface WebAssemblyGlobal {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}

const TILE_AT = 1024;
/** Measured: 12.5 GB/s with 8 KiB, which stay in the first-level cache, and 11 with 16 or 32 KiB. */
const TILE_BYTES = 8192;

let absorb: Absorb | null | undefined;

/** The kernel, or null where WebAssembly or its SIMD is missing. Compiled at the first call. */
export function kernelAbsorb(): Absorb | null {
  if (absorb === undefined) absorb = instantiate();
  return absorb;
}

function instantiate(): Absorb | null {
  // The global is there in every engine that has WebAssembly; its type is declared above.
  const webAssembly = (globalThis as { readonly WebAssembly?: WebAssemblyGlobal }).WebAssembly;
  if (webAssembly === undefined) return null;
  try {
    const instance = new webAssembly.Instance(new webAssembly.Module(kernelBytes()));
    // The module is the one built from tools/kernels/checksum.wat, whose exports these are.
    return absorberOf(instance.exports as KernelExports);
  } catch {
    return null; // An engine without SIMD refuses the module; the portable twin gives the same digests.
  }
}

function absorberOf(kernel: KernelExports): Absorb {
  const words = new Int32Array(kernel.memory.buffer, 0, STATE_WORDS);
  const tile = new Uint8Array(kernel.memory.buffer, TILE_AT, TILE_BYTES);
  return (state, bytes, from, to) => {
    words.set(state);
    for (let at = from; at < to; at += TILE_BYTES) {
      const end = Math.min(at + TILE_BYTES, to);
      tile.set(bytes.subarray(at, end));
      kernel.absorb(0, TILE_AT, end - at);
    }
    state.set(words);
  };
}
