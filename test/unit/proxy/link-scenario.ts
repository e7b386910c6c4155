// Reads and runs scenario files for the link's table: one event a line, what must follow behind the arrow.

import {
  type InstanceId,
  type InvocationId,
  instanceId,
  invocationId,
} from "../../../src/core/ids.ts";
import type { LinkEffect, LinkEvent, LinkState, SideFact } from "../../../src/proxy/link-state.ts";
import { stepLink } from "../../../src/proxy/link-table.ts";

/** One run of a scenario file. */
export interface Scenario {
  readonly name: string;
  readonly lines: readonly string[];
}

/** The runs of a file's text. */
export function parseScenarios(text: string): Scenario[] {
  const runs = text.split(/^== /m).slice(1);
  return runs.map((run) => {
    const [name = "", ...lines] = run.split("\n").map((line) => line.trim());
    return { name, lines: lines.filter((line) => line !== "" && !line.startsWith("#")) };
  });
}

/** Plays a run; the answer is what happened, in the file's own words: equal when all came as written. */
export function play(scenario: Scenario): {
  readonly expected: string[];
  readonly actual: string[];
} {
  let state: LinkState = { kind: "asleep" };
  let nextInvocation = 1;
  let now = 0;
  /** When each was invoked; those of a backup at the beginning. */
  const begun = new Map<InvocationId, number>();
  let facts: Facts = {
    primary: null,
    worth: false,
    wanted: false,
    rich: null,
    side: null,
    atwork: null,
  };
  const expected: string[] = [];
  const actual: string[] = [];
  for (const line of scenario.lines) {
    if (line.startsWith("+")) now += Number(line.slice(1));
    else if (line.startsWith("facts ")) facts = { ...facts, ...readFacts(line) };
    else {
      const [event = "", outcome = ""] = line.split("->").map((side) => side.trim());
      const drawn = invocationId(nextInvocation);
      const step = stepLink(state, readEvent(event), {
        now,
        primary: facts.primary,
        isPrimaryWorthFinding: facts.worth,
        primaryAtWork: facts.atwork,
        begunAt: (invocation) => begun.get(invocation) ?? 0,
        chunksOf: (instance) => (instance === facts.rich ? 1 : 0),
        isWanted: facts.wanted,
        side: facts.side,
        nextInvocation: drawn,
        jitter: 1,
      });
      state = step.state;
      if (step.effects.some(({ kind }) => kind === "invoke")) {
        begun.set(drawn, now);
        nextInvocation++;
      }
      const effects = step.effects.map(tell).join(", ");
      expected.push(`${event} -> ${outcome}`);
      actual.push(`${event} -> ${state.kind}${effects === "" ? "" : `: ${effects}`}`);
    }
  }
  return { expected, actual };
}

interface Facts {
  primary: InstanceId | null;
  worth: boolean;
  wanted: boolean;
  rich: InstanceId | null;
  side: SideFact | null;
  atwork: InvocationId | null;
}

function readFacts(line: string): Partial<Facts> {
  const given: Partial<Facts> = {};
  for (const [, name, value] of line.matchAll(/(\w+)=(\w+)/g)) {
    if (name === "primary") given.primary = value === "none" ? null : instanceId(value ?? "");
    else if (name === "side") given.side = readSide(value ?? "");
    else if (name === "rich") given.rich = instanceId(value ?? "");
    else if (name === "atwork")
      given.atwork = value === "none" ? null : invocationId(Number(value));
    else if (name === "worth") given.worth = value === "yes";
    else if (name === "wanted") given.wanted = value === "yes";
    else throw new Error(`no fact is called ${name}`);
  }
  return given;
}

/** `greeted8R`: the side invocation is number 8, and instance R answered. */
function readSide(text: string): SideFact | null {
  const [, stage, number, name] = /^([a-z]+)(\d*)(\w*)$/.exec(text) ?? [];
  const invocation = invocationId(Number(number));
  switch (stage) {
    case "none":
      return null;
    case "invited":
      return { stage, invocation };
    case "unknown":
      return { stage, invocation, until: Number.MAX_SAFE_INTEGER };
    case "greeted":
    case "severed":
    case "leaving":
      return { stage, invocation, instance: instanceId(name ?? "") };
    default:
      throw new Error(`no side invocation is ${text}`);
  }
}

function readEvent(text: string): LinkEvent {
  const [kind, number, name, age] = text.split(/\s+/);
  const invocation = invocationId(Number(number));
  switch (kind) {
    case "need":
    case "tick":
      return { kind };
    case "hello":
      return { kind, invocation, instance: instanceId(name ?? ""), isFresh: age !== "old" };
    case "bye":
    case "disconnected":
    case "returned":
    case "crashed":
    case "unknown":
      return { kind, invocation };
    case "notStarted":
      return { kind, invocation, retryAfterMs: null };
    default:
      throw new Error(`no event is called ${kind}`);
  }
}

function tell(effect: LinkEffect): string {
  switch (effect.kind) {
    case "invoke":
    case "byeOk":
      return `${effect.kind} ${effect.invocation}`;
    case "hold":
      return `${effect.forMs === 0 ? "release" : "hold"} ${effect.invocation}`;
    case "lost":
    case "adopt":
      return `${effect.kind} ${effect.instance}`;
    case "interrupt":
    case "giveUp":
    case "takeOver":
      return effect.kind;
  }
}
