/**
 * Generated from tools/kernels/checksum.wat by tools/kernels/build.ts: change the source, not this file.
 * It carries the 557 bytes of the module and decodes them; it never compiles or runs them.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const MODULE_BASE64 = `
AGFzbQEAAAABBwFgA39/fwADAgEABQMBAAEHEwIGbWVtb3J5AgAGYWJzb3JiAAAK+wMB+AMCAX8Le0Gx893xef0RIQVB95Sv
r3j9ESEGIAD9AAQAIQcgAP0ABBAhCCAA/QAEICEJIAD9AAQwIQogAP0ABEAhCyAA/QAEUCEMIAD9AARgIQ0gAP0ABHAhDiAB
IAJqIQMCQANAIAEgA08NASAHIAH9AAQA/VEgBf21ASEEIAYgBEEP/csBIARBMf3NAf1Q/bUBIQcgCCAB/QAEEP1RIAX9tQEh
BCAGIARBD/3LASAEQTH9zQH9UP21ASEIIAkgAf0ABCD9USAF/bUBIQQgBiAEQQ/9ywEgBEEx/c0B/VD9tQEhCSAKIAH9AAQw
/VEgBf21ASEEIAYgBEEP/csBIARBMf3NAf1Q/bUBIQogCyAB/QAEQP1RIAX9tQEhBCAGIARBD/3LASAEQTH9zQH9UP21ASEL
IAwgAf0ABFD9USAF/bUBIQQgBiAEQQ/9ywEgBEEx/c0B/VD9tQEhDCANIAH9AARg/VEgBf21ASEEIAYgBEEP/csBIARBMf3N
Af1Q/bUBIQ0gDiAB/QAEcP1RIAX9tQEhBCAGIARBD/3LASAEQTH9zQH9UP21ASEOIAFBgAFqIQEMAAsLIAAgB/0LBAAgACAI
/QsEECAAIAn9CwQgIAAgCv0LBDAgACAL/QsEQCAAIAz9CwRQIAAgDf0LBGAgACAO/QsEcAs=
`;

/** The bytes of the WebAssembly module, decoded anew at each call. */
export function kernelBytes(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(557);
  let at = 0;
  let bits = 0;
  let bitCount = 0;
  for (const character of MODULE_BASE64) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) continue; // Line ends and padding.
    bits = ((bits << 6) | value) & 0xffff;
    bitCount += 6;
    if (bitCount < 8) continue;
    bitCount -= 8;
    if (at < bytes.length) bytes[at] = (bits >>> bitCount) & 0xff;
    at += 1;
  }
  return bytes;
}
