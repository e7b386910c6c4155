// Memory of this machine that need not be zero: for whoever writes every byte of it before anybody looks.

/** Shorter than this, memory comes from Node's pool of small buffers: an ArrayBuffer for each costs ten times as much. */
const POOLED_BYTES_MAX = 2_048;

/** Every byte of a result is written before it is handed out, so zeroing it first would be wasted. */
export function unzeroed(bytes: number): Uint8Array {
  const { buffer, byteOffset } =
    bytes <= POOLED_BYTES_MAX ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(buffer, byteOffset, bytes);
}
