// The JSON Schema of the configuration file, made of the table of settings: editors complete and check by it.

import { z } from "zod";
import { SETTING_NAMES, settingOf } from "./settings.ts";

/** The JSON Schema of the configuration file. */
export function configurationSchema(): Record<string, unknown> {
  const properties: Record<string, unknown> = { $schema: { type: "string" } };
  for (const name of SETTING_NAMES) {
    const { schema, summary, byDefault } = settingOf(name);
    const { $schema: _, ...type } = z.toJSONSchema(schema);
    properties[name] = { description: summary, default: byDefault, ...type };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "infinicache.config.json",
    type: "object",
    properties,
    additionalProperties: false,
  };
}
