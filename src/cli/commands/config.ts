// `config schema` and `config show`: which settings there are, and what they are now.
// A secret is never shown, only whether there is one.

import { configurationSchema } from "../configuration-schema.ts";
import type { CommandContext } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { environmentName, SETTING_NAMES, settingOf } from "../settings.ts";
import { formatTable } from "../terminal.ts";

/** Prints the JSON Schema of the configuration file, for editors. */
export async function schema({ terminal }: CommandContext): Promise<ExitName> {
  terminal.out(JSON.stringify(configurationSchema(), null, terminal.isJson ? 0 : 2));
  return "ok";
}

/** Prints every setting as file, environment and defaults make it, and where it can be set. */
export async function show({ terminal, settings }: CommandContext): Promise<ExitName> {
  const shown = SETTING_NAMES.map((name) => {
    const isHidden = settingOf(name).isSecret === true && settings[name] !== "";
    return [name, isHidden ? "(hidden)" : settings[name]] as const;
  });
  if (terminal.isJson) {
    terminal.out(JSON.stringify(Object.fromEntries(shown)));
    return "ok";
  }
  const rows = shown.map(([name, value]) => {
    const { flag, isSecret } = settingOf(name);
    return [name, String(value), isSecret === true ? "" : `--${flag}`, environmentName(name)];
  });
  terminal.out(formatTable(["setting", "value", "flag", "environment"], rows));
  return "ok";
}
