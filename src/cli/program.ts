// The command line as a whole: reads arguments, settles the configuration, runs one command, and answers with its
// exit code. It prints errors; it does nothing else itself. Commander knows the grammar, COMMANDS the content.

import { Command, CommanderError, Option } from "commander";
import type { Clock } from "../core/ports.ts";
import { COMMANDS, type CommandRow } from "./commands.ts";
import type { Composition } from "./composition.ts";
import { readConfiguration } from "./configuration.ts";
import type { CommandContext, CommandOptions } from "./context.ts";
import { EXIT_CODES, type ExitName, exitOf, messageOf } from "./exit-codes.ts";
import { environmentName, type SettingName, settingOf } from "./settings.ts";
import { createTerminal, formatTable } from "./terminal.ts";

/** The process as the command line sees it. */
export interface ProgramHost {
  readonly composition: Composition;
  readonly clock: Clock;
  readonly version: string;
  readonly environment: CommandContext["environment"];
  readonly folder: string;
  readonly stdin: CommandContext["stdin"];
  readonly stdout: CommandContext["stdout"];
  readonly stderr: CommandContext["stdout"];
  readonly signal: AbortSignal;
}

/** Runs `infinicache …args` and answers with the exit code. It never throws. */
export async function runProgram(args: readonly string[], host: ProgramHost): Promise<number> {
  let exit: ExitName = "ok";
  const run = async (row: CommandRow, given: readonly string[], options: CommandOptions) => {
    exit = await runCommand(row, given, options, host);
  };
  try {
    await createProgram(host, run).parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    exit = error.exitCode === 0 ? "ok" : "usage";
  }
  return EXIT_CODES[exit].code;
}

type Run = (row: CommandRow, args: readonly string[], options: CommandOptions) => Promise<void>;

function createProgram(host: ProgramHost, run: Run): Command {
  const program = new Command("infinicache")
    .description("An in-memory cache for large objects in the memory of serverless functions.")
    .version(host.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
    })
    .showHelpAfterError("(add --help for what there is)")
    .addHelpText("after", GENERAL_HELP);
  const groups = new Map<string, Command>();
  for (const row of COMMANDS) {
    const words = row.name.split(" ");
    const parent = words.length === 1 ? program : groupOf(program, groups, words[0] ?? "");
    parent.addCommand(
      createCommand(row, words.at(-1) ?? row.name, run).copyInheritedSettings(parent),
    );
  }
  return program;
}

const MEBIBYTE = 1_048_576;

const GROUPS: Readonly<Record<string, string>> = {
  chaos: "break things on purpose, through the local Lambda service",
  config: "settings: what there is, and what they are now",
  model: "availability and cost as the paper computes them, without a pool",
};

function groupOf(program: Command, groups: Map<string, Command>, name: string): Command {
  const known = groups.get(name);
  if (known !== undefined) return known;
  const group = program.command(name).description(GROUPS[name] ?? "");
  groups.set(name, group);
  return group;
}

function createCommand(row: CommandRow, name: string, run: Run): Command {
  const command = new Command(name).description(row.summary).allowExcessArguments(false);
  for (const argument of row.arguments.split(" ").filter((text) => text !== "")) {
    command.argument(argument);
  }
  for (const setting of row.settings) {
    const { flag, argument, summary, byDefault, isSecret } = settingOf(setting);
    if (isSecret === true) continue;
    const shown = byDefault === "" ? "" : ` (default ${showDefault(setting)})`;
    command.addOption(new Option(`--${flag} <${argument}>`, `${summary}${shown}`));
  }
  for (const each of row.options) command.addOption(createOption(each));
  command.option("--config <file>", "read settings from this file");
  command.option("--json", "results as JSON on standard output, one document a line");
  const examples = row.examples.map((text) =>
    text.includes("infinicache ") ? `  ${text}` : `  infinicache ${text}`,
  );
  command.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  command.action(() => run(row, command.args, command.opts()));
  return command;
}

function createOption(row: CommandRow["options"][number]): Option {
  const option = new Option(row.flags, row.summary);
  if (row.byDefault !== undefined) option.default(row.byDefault);
  if (row.isRepeatable === true) {
    option.argParser((text: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      text,
    ]);
  }
  return option;
}

async function runCommand(
  row: CommandRow,
  args: readonly string[],
  options: CommandOptions,
  host: ProgramHost,
): Promise<ExitName> {
  const isJson = options["json"] === true;
  const terminal = createTerminal(host, isJson, host.environment);
  try {
    const settings = readConfiguration({
      flags: flagsOf(row, options),
      uses: row.settings,
      environment: host.environment,
      folder: host.folder,
      ...(typeof options["config"] === "string" ? { file: options["config"] } : {}),
    });
    const { clock, composition, environment, signal, stdin, stdout } = host;
    const context = { settings, terminal, clock, composition, environment, signal, stdin, stdout };
    const module = await row.load();
    return await module.run(context, args, options);
  } catch (error) {
    terminal.progress("");
    const exit = host.signal.aborted ? "interrupted" : exitOf(error);
    for (const line of linesOf(error, exit)) terminal.note(`infinicache: ${line}`);
    if (isJson) terminal.out(JSON.stringify({ error: describe(error, exit) }));
    return exit;
  }
}

/** Settings given as flags; commander names them in camel case. */
function flagsOf(row: CommandRow, options: CommandOptions): Partial<Record<SettingName, string>> {
  const flags: Partial<Record<SettingName, string>> = {};
  for (const name of row.settings) {
    const key = settingOf(name).flag.replace(/-([a-z])/g, (_, letter: string) =>
      letter.toUpperCase(),
    );
    const text = options[key];
    if (typeof text === "string") flags[name] = text;
  }
  return flags;
}

function linesOf(error: unknown, exit: ExitName): string[] {
  // A stack is for faults of ours; everything else is for the person at the keyboard.
  const stack = exit === "internal" && error instanceof Error ? error.stack : undefined;
  return (stack ?? textOf(error, exit)).split("\n");
}

function textOf(error: unknown, exit: ExitName): string {
  return exit === "interrupted" ? EXIT_CODES.interrupted.meaning : messageOf(error);
}

function describe(error: unknown, exit: ExitName): Record<string, unknown> {
  const message = textOf(error, exit);
  const code = error instanceof Error && "code" in error ? { code: error.code } : {};
  return { exit: EXIT_CODES[exit].code, kind: exit, message, ...code };
}

function showDefault(name: SettingName): string {
  const { byDefault, kind } = settingOf(name);
  if (kind === "bytes") return `${Number(byDefault) / MEBIBYTE}MiB`;
  if (kind !== "duration") return String(byDefault);
  const ms = Number(byDefault);
  return ms === 0 ? "0" : ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

const GENERAL_HELP = `
Try it:
  infinicache up                     a cache on this machine, with 24 functions
  infinicache put movie movie.mp4    store a file
  infinicache get movie -o copy.mp4  fetch it

Every setting is a flag, an environment variable (${environmentName("url")} for --url) or a line of
infinicache.config.json, in that order; \`infinicache config show\` lists them.

Exit codes:
${formatTable(
  ["", ""],
  Object.values(EXIT_CODES).map(({ code, meaning }) => [`  ${code}`, meaning]),
)
  .split("\n")
  .slice(1)
  .join("\n")}
`;
