// Memory of this machine that need not be zero: for whoever writes every byte of it before anybody looks.

/** Every byte of a result is written before it is handed out, so zeroing it first would be wasted. */
export function unzeroed(bytes: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(buffer, byteOffset, bytes);
}
