/**
 * Writes docs/configuration.md and docs/commands.md from the tables of src/cli: settings, commands, exit codes.
 *
 *   node tools/node tools/command-pages.ts      after a change of those tables
 *
 * A unit test fails when a page differs from what this would write. It reads nothing but the tables.
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { COMMANDS, type CommandRow } from "../src/cli/commands.ts";
import { CONFIGURATION_FILE } from "../src/cli/configuration.ts";
import { EXIT_CODES } from "../src/cli/exit-codes.ts";
import {
  environmentName,
  SETTING_NAMES,
  type SettingName,
  settingOf,
} from "../src/cli/settings.ts";

/** The pages by their path from the root of the repository. */
export function commandPages(): Readonly<Record<string, string>> {
  return { "docs/configuration.md": configurationPage(), "docs/commands.md": commandsPage() };
}

const GENERATED =
  "<!-- Written by tools/command-pages.ts from the tables in src/cli; edit those. -->";

function configurationPage(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { flag, argument, isSecret, byDefault, summary } = settingOf(name);
    const onLine = isSecret === true ? "(never a flag)" : `\`--${flag} ${argument}\``;
    const value = byDefault === "" ? "empty" : `\`${byDefault}\``;
    return `| \`${name}\` | ${onLine} | \`${environmentName(name)}\` | ${value} | ${cell(summary)} |`;
  });
  return `# Configuration

${GENERATED}

A setting is taken from the first of these that has it:

1. its flag on the command line,
2. its environment variable,
3. \`${CONFIGURATION_FILE}\` in the working directory, or the file named by \`--config\` or \`INFINICACHE_CONFIG\`,
4. its default.

Settings are read once, when a command starts. An unknown name, in the file or among variables that begin with \`INFINICACHE_\`, is an error that names the nearest known one; all problems are told together, and nothing is started then. Times on the command line and in the environment take a unit (\`250ms\`, \`30s\`, \`5m\`, \`1h\`); in the file they are numbers of milliseconds, as the names say. Sizes take one, too (\`64KiB\`, \`16MiB\`, \`100MB\`), or are bytes; in the file they are bytes.

| in the file | flag | environment | default | meaning |
|---|---|---|---|---|
${rows.join("\n")}

\`infinicache config show\` prints what is in force, \`infinicache config schema\` a JSON Schema of the file for editors:

\`\`\`json
{
  "$schema": "./infinicache.schema.json",
  "nodes": 40,
  "memoryMb": 256,
  "code": "10+4",
  "state": "./state"
}
\`\`\`

Two variables are no settings: \`INFINICACHE_CONFIG\` (above) and \`INFINICACHE_RUNTIME_DIR\`, the folder of the notes by which \`down\` and \`chaos\` find running pools (default: a folder of yours below \`XDG_RUNTIME_DIR\` or the system's temporary folder).

Beside the ports that \`port\` names, a proxy's own client listens on one more of \`host\`, any free one, to which functions bring chunks of 2 MiB and more for the doors and for the application around an embedded proxy. There is none where \`--advertise\` is given or \`host\` stands for every address: then all goes through the proxy.

Which settings a command uses, its help says, and [commands.md](commands.md). Beyond single values this is checked: a pool has at least as many functions as its widest code has chunks (12 for the default rules), and \`up\` and \`demo\` lower the functions' memory so that all together, replicas included, take 60 % of the machine's free memory at most once they are full (\`--memory-share\`), and say so. What does not fit even with 128 MB each is refused with the count that would. Idle functions take some 11 MB each: \`up --nodes 400 --memory 128 --memory-share 500\` starts 400 of them on a machine of 24 GB, and then it is up to you that they do not fill.
`;
}

function commandsPage(): string {
  const codes = Object.values(EXIT_CODES).map(({ code, meaning }) => `| ${code} | ${meaning} |`);
  return `# Commands

${GENERATED}

In a checkout: \`npx infinicache COMMAND\`. Every command takes \`--help\`, \`--config FILE\` and \`--json\`. With \`--json\`, results stand on standard output, one JSON document a line; what is said to people is always on standard error. Transfers show their progress on a terminal.

${COMMANDS.map(commandSection).join("\n")}
## Exit codes

| code | when |
|---|---|
${codes.join("\n")}
`;
}

function commandSection(row: CommandRow): string {
  const options = [
    ...row.options.map(({ flags, summary, byDefault }) => {
      const shown = byDefault === undefined ? "" : ` (default \`${byDefault}\`)`;
      return `| \`${cell(flags)}\` | ${cell(summary)}${shown} |`;
    }),
    ...row.settings.flatMap(settingRow),
  ];
  const table =
    options.length === 0 ? "" : `\n| option | meaning |\n|---|---|\n${options.join("\n")}\n`;
  const usage = `infinicache ${row.name} ${row.arguments}`.trim();
  const examples = row.examples.map((text) =>
    text.includes("infinicache ") ? text : `infinicache ${text}`,
  );
  return `## ${row.name}

\`${usage}\` – ${row.summary}.
${table}
\`\`\`sh
${examples.join("\n")}
\`\`\`
`;
}

function settingRow(name: SettingName): string[] {
  const { flag, argument, summary, isSecret } = settingOf(name);
  return isSecret === true ? [] : [`| \`--${flag} ${argument}\` | ${cell(summary)} |`];
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const root = resolve(import.meta.dirname, "..");
  for (const [path, text] of Object.entries(commandPages())) writeFileSync(join(root, path), text);
}
