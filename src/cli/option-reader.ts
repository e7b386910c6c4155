// Reads the options of one command from text, and tells all that is wrong with them together, as the configuration
// does. It knows no command.

import { type CodeSpec, parseCode } from "../core/code.ts";
import type { CommandOptions } from "./context.ts";
import { CommandError } from "./exit-codes.ts";
import { parseDurationMs } from "./units.ts";

/** The options of one command; every reader answers with something usable, and `finish` throws if anything was wrong. */
export class OptionReader {
  readonly #options: CommandOptions;
  readonly #problems: string[] = [];

  constructor(options: CommandOptions) {
    this.#options = options;
  }

  /** The text of `--name`, empty when it was not given. */
  text(name: string): string {
    const value = this.#options[camelCase(name)];
    return typeof value === "string" ? value : "";
  }

  /** A whole number within bounds. */
  count(name: string, min: number, max: number): number {
    return this.number(name, min, max, Number.isInteger, "a whole number");
  }

  /** A number within bounds. */
  number(
    name: string,
    min: number,
    max: number,
    isRight: (value: number) => boolean = Number.isFinite,
    noun = "a number",
  ): number {
    const text = this.text(name);
    const value = Number(text);
    if (text.trim() !== "" && isRight(value) && value >= min && value <= max) return value;
    return this.fail(name, `must be ${noun} from ${min} to ${max}`, min);
  }

  /** Whole numbers within bounds, separated by commas. */
  counts(name: string, min: number, max: number): readonly number[] {
    const values = this.text(name)
      .split(",")
      .map((each) => (each.trim() === "" ? Number.NaN : Number(each)));
    if (values.every((value) => Number.isInteger(value) && value >= min && value <= max))
      return values;
    return this.fail(name, `must be whole numbers from ${min} to ${max}, such as 1,3,32`, [min]);
  }

  /** A time, in milliseconds, within bounds. */
  durationMs(name: string, minMs: number, maxMs: number): number {
    const value = parseDurationMs(this.text(name));
    if (value !== null && value >= minMs && value <= maxMs) return value;
    const range = `from ${minMs} ms to ${maxMs / 3_600_000} h`;
    return this.fail(name, `must be a time such as 90s or 5m, ${range}`, minMs);
  }

  /** A code, written d+p. */
  code(name: string): CodeSpec {
    const code = parseCode(this.text(name));
    if (typeof code !== "string") return code;
    return this.fail(name, code, { dataChunks: 1, parityChunks: 0 });
  }

  /** Notes what is wrong with `--name`, and answers with something to go on with. */
  fail<Value>(name: string, problem: string, instead: Value): Value {
    this.#problems.push(`--${name}: ${problem}`);
    return instead;
  }

  /** Throws all problems in one error, if there are any. */
  finish(): void {
    if (this.#problems.length > 0) throw new CommandError("usage", this.#problems.join("\n"));
  }
}

/** As commander names the option. */
function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
