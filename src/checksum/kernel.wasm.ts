/**
 * Generated from tools/kernels/checksum.wat by tools/kernels/build.ts: change the source, not this file.
 * It carries the 391 bytes of the module and decodes them; it never compiles or runs them.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const MODULE_BASE64 = `
AGFzbQEAAAABDQJgAnt7AXtgA39/fwADAwIAAQUDAQACBxMCBm1lbW9yeQIABmFic29yYgABCs4CAkYBAXsgACAB/VH9DLF5
N56xeTeesXk3nrF5N579tQEhAiACQQ/9qwEgAkER/a0B/VD9DHfK64V3yuuFd8rrhXfK64X9tQELhAICAX8IeyAA/QAEACEE
IAD9AAQQIQUgAP0ABCAhBiAA/QAEMCEHIAD9AARAIQggAP0ABFAhCSAA/QAEYCEKIAD9AARwIQsgASACaiEDAkADQCABIANP
DQEgBCAB/QAEABAAIQQgBSAB/QAEEBAAIQUgBiAB/QAEIBAAIQYgByAB/QAEMBAAIQcgCCAB/QAEQBAAIQggCSAB/QAEUBAA
IQkgCiAB/QAEYBAAIQogCyAB/QAEcBAAIQsgAUGAAWohAQwACwsgACAE/QsEACAAIAX9CwQQIAAgBv0LBCAgACAH/QsEMCAA
IAj9CwRAIAAgCf0LBFAgACAK/QsEYCAAIAv9CwRwCw==
`;

/** The bytes of the WebAssembly module, decoded anew at each call. */
export function kernelBytes(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(391);
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
