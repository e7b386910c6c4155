// Reads the settings once, at the edge: flags over environment over one file over defaults. All problems are
// reported together, unknown names among them. The result is frozen; nothing else looks at the environment.
// It never prints, and never shows the value of a secret.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CODE_RULES_DEFAULT, chunkCount, formatCode, parseCode } from "../core/code.ts";
import { CommandError } from "./exit-codes.ts";
import { nearest } from "./nearest.ts";
import type { TextKind } from "./setting.ts";
import {
  environmentName,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingOf,
} from "./settings.ts";
import { parseBytes, parseDurationMs } from "./units.ts";

/** The file that is read when it is there and none is named. */
export const CONFIGURATION_FILE = "infinicache.config.json";

/** Where settings come from. */
export interface ConfigurationSources {
  /** Text by setting, from the command line. */
  readonly flags: Readonly<Partial<Record<SettingName, string>>>;
  /** The settings the command uses: only among these are relations checked. */
  readonly uses: readonly SettingName[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A file named by the user; absent: CONFIGURATION_FILE in `folder`, if it exists. */
  readonly file?: string;
  readonly folder: string;
}

/** Settings are wrong; `problems` has every one of them. */
export class ConfigurationError extends CommandError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("usage", problems.join("\n"));
    this.problems = problems;
  }
}

/** Variables of ours that are no settings: between our own processes, and of the function. */
const OTHER_VARIABLES = new Set([
  "INFINICACHE_CONFIG",
  "INFINICACHE_LAUNCHED",
  "INFINICACHE_RUNTIME_DIR",
  "INFINICACHE_WORKER",
  "INFINICACHE_NODE",
  "INFINICACHE_NODE_KEY",
  "INFINICACHE_CHUNK_BUDGET_MB",
  "INFINICACHE_LOCAL_FORWARDER",
]);

/** All settings, checked; throws a ConfigurationError that lists every problem. */
export function readConfiguration(sources: ConfigurationSources): Settings {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const name of SETTING_NAMES) {
    values[name] = settingOf(name).byDefault;
    origins[name] = "default";
  }
  applyFile(sources, values, origins, problems);
  applyEnvironment(sources.environment, values, origins, problems);
  applyFlags(sources.flags, values, origins);
  for (const name of SETTING_NAMES) {
    const problem = problemOf(name, values[name]);
    if (problem !== null) problems.push(`${origins[name]}: ${problem}`);
  }
  // The cast is proven: every name has a value that its schema has accepted, or there is a problem.
  const settings = values as unknown as Settings;
  const usesPool = sources.uses.includes("nodes");
  if (problems.length === 0 && usesPool) {
    const workers = sources.uses.includes("workers") ? settings.workers : 1;
    problems.push(...relationProblems(settings, workers));
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return Object.freeze(settings);
}

function applyFile(
  sources: ConfigurationSources,
  values: Record<string, unknown>,
  origins: Record<string, string>,
  problems: string[],
): void {
  const named = sources.file ?? sources.environment["INFINICACHE_CONFIG"];
  const path = resolve(sources.folder, named ?? CONFIGURATION_FILE);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isAbsent && named === undefined) return;
    problems.push(`${path}: ${isAbsent ? "there is no such file" : messageOf(error)}`);
    return;
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    problems.push(`${path}: must hold one JSON object`);
    return;
  }
  for (const [name, value] of Object.entries(content)) {
    if (name === "$schema") continue;
    if (isSettingName(name)) {
      values[name] = value;
      origins[name] = `${path}: ${name}`;
    } else problems.push(unknownSetting(`${path}: unknown setting "${name}"`, name, SETTING_NAMES));
  }
}

function applyEnvironment(
  environment: ConfigurationSources["environment"],
  values: Record<string, unknown>,
  origins: Record<string, string>,
  problems: string[],
): void {
  const names = new Map(SETTING_NAMES.map((name) => [environmentName(name), name]));
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith("INFINICACHE_") || text === undefined) continue;
    const name = names.get(variable);
    if (name !== undefined) {
      values[name] = fromText(settingOf(name).kind, text);
      origins[name] = `environment ${variable}`;
    } else if (!OTHER_VARIABLES.has(variable) && !variable.startsWith("INFINICACHE_TEST_")) {
      problems.push(
        unknownSetting(`environment: unknown setting ${variable}`, variable, [...names.keys()]),
      );
    }
  }
}

function applyFlags(
  flags: ConfigurationSources["flags"],
  values: Record<string, unknown>,
  origins: Record<string, string>,
): void {
  for (const name of SETTING_NAMES) {
    const text = flags[name];
    if (text === undefined) continue;
    values[name] = fromText(settingOf(name).kind, text);
    origins[name] = `--${settingOf(name).flag}`;
  }
}

/** Text becomes a number where it reads as one; else it stays, and the schema says what is wrong. */
function fromText(kind: TextKind, text: string): unknown {
  if (kind === "text") return text;
  if (kind === "duration") return parseDurationMs(text) ?? text;
  if (kind === "bytes") return parseBytes(text) ?? text;
  const isNumber = kind === "integer" ? /^-?\d+$/.test(text) : /^-?\d+(\.\d+)?$/.test(text);
  return isNumber ? Number(text) : text;
}

function problemOf(name: SettingName, value: unknown): string | null {
  const { schema, isSecret, argument } = settingOf(name);
  const result = schema.safeParse(value);
  if (result.success) return null;
  const reasons = [...new Set(result.error.issues.map((issue) => issue.message))].join("; ");
  const shown = isSecret === true ? "(hidden)" : JSON.stringify(value);
  return `${shown} is no ${argument}: ${reasons}`;
}

/** What single settings cannot know. */
function relationProblems(settings: Settings, workers: number): string[] {
  const problems: string[] = [];
  const own = settings.code === "auto" ? null : parseCode(settings.code);
  const codes =
    own !== null && typeof own !== "string" ? [own] : CODE_RULES_DEFAULT.map((rule) => rule.code);
  const widest = codes.reduce((a, b) => (chunkCount(a) >= chunkCount(b) ? a : b));
  if (workers > 1 && chunkCount(widest) > Math.floor(settings.nodes / workers)) {
    const least = chunkCount(widest) * workers;
    problems.push(
      `workers: each of ${workers} needs ${chunkCount(widest)} functions for a stripe of ${formatCode(widest)}; give --nodes ${least} or a smaller --code`,
    );
  } else if (chunkCount(widest) > settings.nodes) {
    problems.push(
      `nodes: a stripe of ${formatCode(widest)} needs ${chunkCount(widest)} functions, and there are ` +
        `${settings.nodes}; give --nodes ${chunkCount(widest)} or a smaller --code`,
    );
  }
  const { tokens, token, tokenFile, ring } = settings;
  const isShared = workers > 1 || ring !== "none";
  if (tokens !== "none" && isShared && token === "" && tokenFile === "none")
    problems.push(
      "tokens: proxies that share the keys show each other a token: give INFINICACHE_TOKEN or --token-file with one of role admin",
    );
  return [...problems, ...originProblems(settings, workers)];
}

/** One process has the journal, and what waits there is known to nobody else. */
function originProblems(settings: Settings, workers: number): string[] {
  const { originMode, originJournal, origin, ring } = settings;
  if (originMode !== "write-behind") return [];
  const problems: string[] = [];
  if (origin === "none") problems.push("originMode: write-behind needs an --origin");
  if (originJournal === "none") problems.push("originMode: write-behind needs an --origin-journal");
  if (workers > 1 || ring !== "none")
    problems.push(
      "originMode: write-behind is for one proxy: other doors would not know its journal",
    );
  return problems;
}

function unknownSetting(start: string, name: string, candidates: readonly string[]): string {
  const near = nearest(name, candidates);
  return near === null ? start : `${start}; did you mean ${near}?`;
}

function isSettingName(name: string): name is SettingName {
  return (SETTING_NAMES as readonly string[]).includes(name);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
