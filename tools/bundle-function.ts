/**
 * Bundles the function: everything an instance runs, from `src/entry/function.ts` to one CommonJS file.
 * One file because an instance that loads many sources starts ten times slower and shares no memory.
 * Used by the build and, in a checkout, by the command line. It never writes anything but `outFile`.
 */
import { fileURLToPath } from "node:url";
import { build, stop } from "esbuild";

/** The bundle is loaded at every cold start; beyond this, something has crept in that does not belong there. */
export const functionBundleBytesMax = 200 * 1024;

const entryFile = fileURLToPath(new URL("../src/entry/function.ts", import.meta.url));

/** Writes the function bundle to `outFile` (folders are made) and says how large it is. */
export async function bundleFunction(outFile: string): Promise<{ bytes: number }> {
  const result = await build({
    entryPoints: [entryFile],
    outfile: outFile,
    bundle: true,
    platform: "node",
    target: "node22",
    format: "cjs",
    // Names stay whole: they are what a stack trace in a function's log has to say.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    metafile: true,
    logLevel: "silent",
  });
  // Its service process would stay as long as we do, and some of us serve for days.
  await stop();
  const bytes = Object.values(result.metafile.outputs).reduce((sum, each) => sum + each.bytes, 0);
  return { bytes };
}
