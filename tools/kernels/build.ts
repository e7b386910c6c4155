/**
 * Builds the WebAssembly kernels: WAT beside this file in, generated TypeScript with the bytes in base64 out.
 * `node tools/node tools/kernels/build.ts` writes; a unit test calls `kernelModule` and compares with what is committed.
 * It never runs in a published package: what is published is the generated file.
 */
import { readFile, writeFile } from "node:fs/promises";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import wabt from "wabt";

/** One kernel: its source and the generated file, both as URLs. */
export interface Kernel {
  readonly source: URL;
  readonly output: URL;
}

/** Every kernel of the repository. */
export const KERNELS: readonly Kernel[] = [
  {
    source: new URL("./erasure.wat", import.meta.url),
    output: new URL("../../src/erasure/kernel.wasm.ts", import.meta.url),
  },
  {
    source: new URL("./checksum.wat", import.meta.url),
    output: new URL("../../src/checksum/kernel.wasm.ts", import.meta.url),
  },
];

/** The text of the generated module for a kernel. The same source always gives the same text. */
export async function kernelModule(kernel: Kernel): Promise<string> {
  const name = fileURLToPath(kernel.source).replace(/^.*[/\\]/, "");
  const assembler = await wabt();
  const parsed = assembler.parseWat(name, await readFile(kernel.source, "utf8"), { simd: true });
  try {
    parsed.resolveNames();
    parsed.validate();
    const { buffer } = parsed.toBinary({ write_debug_names: false });
    return moduleText(name, Buffer.from(buffer));
  } finally {
    parsed.destroy();
  }
}

function moduleText(name: string, wasm: Buffer): string {
  const lines = wasm.toString("base64").match(/.{1,96}/g) ?? [];
  return `/**
 * Generated from tools/kernels/${name} by tools/kernels/build.ts: change the source, not this file.
 * It carries the ${wasm.length} bytes of the module and decodes them; it never compiles or runs them.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const MODULE_BASE64 = \`
${lines.join("\n")}
\`;

/** The bytes of the WebAssembly module, decoded anew at each call. */
export function kernelBytes(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(${wasm.length});
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
`;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const kernel of KERNELS) {
    await writeFile(kernel.output, await kernelModule(kernel));
  }
}
