// Starts a serving command again in the background and waits until it says that it is ready. The background
// process writes its notes to a log file; it is stopped with `down`. Secrets go through its environment only.

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { CommandContext } from "./context.ts";
import { CommandError, EXIT_CODES, type ExitName } from "./exit-codes.ts";
import { runFolder } from "./run-files.ts";
import { UP_SETTINGS } from "./setting-groups.ts";
import { environmentName, type Settings, settingOf } from "./settings.ts";

/** As many lines of the log as say why it did not start. */
const LOG_LINES_SHOWN = 20;

/** Runs `up` in the background with the settings of this one. */
export async function detach(context: CommandContext): Promise<ExitName> {
  const { terminal, environment, settings } = context;
  const folder = runFolder(environment);
  const logPath = join(folder, `up-${process.pid}.log`);
  const log = openSync(logPath, "a", 0o600);
  const args = [
    ...process.execArgv,
    process.argv[1] ?? "",
    "up",
    "--json",
    ...upFlags(context.settings),
  ];
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ["ignore", "pipe", log],
    env: {
      ...environment,
      [environmentName("secret")]: settings.secret,
      [environmentName("token")]: settings.token,
    },
  });
  closeSync(log);
  const line = await readyLine(child);
  if (line === null) {
    const lines = readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN);
    // Beside what the command says there may be warnings of the platform.
    const said = lines.filter((text) => text.startsWith("infinicache: "));
    const reason = (said.length > 0 ? said : lines).join("\n").replaceAll(/^infinicache: /gm, "");
    throw new CommandError(exitNamed(child.exitCode), reason);
  }
  child.unref();
  child.stdout?.destroy();
  const ready: { readonly client: string } = JSON.parse(line);
  if (terminal.isJson) terminal.out(line);
  else {
    const port = ready.client.slice(ready.client.lastIndexOf(":") + 1);
    terminal.out(`running at ${ready.client} as pid ${child.pid}; notes go to ${logPath}`);
    terminal.out(`stop it with: npx infinicache down --port ${port}`);
  }
  return "ok";
}

/** What the settings differ in from the defaults, as flags of `up`. Secrets go by the environment. */
export function upFlags(settings: Settings): string[] {
  return UP_SETTINGS.flatMap((name) => {
    const { flag, isSecret, byDefault, kind } = settingOf(name);
    const isGiven = isSecret !== true && settings[name] !== byDefault;
    return isGiven ? [`--${flag}=${settings[name]}${kind === "duration" ? "ms" : ""}`] : [];
  });
}

/** The line that says it is ready; null when the process ended without one, and then its exit code is known. */
function readyLine(child: ReturnType<typeof spawn>): Promise<string | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => resolve(null));
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).once("line", (line) => {
        // Any other line is the error as JSON; the process is about to end.
        if (line.includes('"ready":true')) resolve(line);
      });
    }
  });
}

function exitNamed(code: number | null): ExitName {
  const names = Object.keys(EXIT_CODES) as ExitName[];
  return names.find((name) => EXIT_CODES[name].code === code) ?? "internal";
}
