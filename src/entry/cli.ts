// The command's first lines: compiled code is kept between runs, which halves the time until a `get` begins; then
// everything else is loaded. It must import nothing of ours itself, or that would be compiled each time.

import { enableCompileCache } from "node:module";

enableCompileCache();
const { runCommand } = await import("./command.ts");
await runCommand();
