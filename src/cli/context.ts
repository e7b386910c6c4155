// What every command is given, and the shape every command has. Types only.

import type { Readable, Writable } from "node:stream";
import type { Clock } from "../core/ports.ts";
import type { Composition } from "./composition.ts";
import type { ExitName } from "./exit-codes.ts";
import type { Settings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";

/** The surroundings of one command. */
export interface CommandContext {
  readonly settings: Settings;
  readonly terminal: Terminal;
  readonly composition: Composition;
  readonly clock: Clock;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
}

/** Options of a command that are no settings, by their long name in camel case. */
export type CommandOptions = Readonly<Record<string, unknown>>;

/** One command. */
export interface CommandModule {
  run(context: CommandContext, args: readonly string[], options: CommandOptions): Promise<ExitName>;
}
