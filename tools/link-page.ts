/**
 * Writes docs/protocol/link.md from the transition table of a link in src/proxy/link-table.ts:
 *
 *   node tools/node tools/link-page.ts
 *
 * Each cell says what the table did when it was run over every case that it tells apart. A unit test fails while the
 * page differs from the table.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type InstanceId, instanceId, invocationId } from "../src/core/ids.ts";
import type {
  HeldInstance,
  LinkEvent,
  LinkFacts,
  LinkState,
  LinkStep,
  SideFact,
} from "../src/proxy/link-state.ts";
import { LINK_TABLE, stepLink, tickAt } from "../src/proxy/link-table.ts";

/** Where the page stands. */
export const LINK_PAGE = resolve(import.meta.dirname, "../docs/protocol/link.md");

const NOW = 1_000_000;
const primary = instanceId("aa".repeat(16));
const stranger = instanceId("bb".repeat(16));
const other = instanceId("cc".repeat(16));
const one = invocationId(1);
const two = invocationId(2);
const held: readonly HeldInstance[] = [
  { invocation: one, instance: stranger, call: "open", isFresh: false },
  {
    invocation: invocationId(3),
    instance: instanceId("dd".repeat(16)),
    call: "open",
    isFresh: true,
  },
];

/** Every state kind, in every shape that some cell tells apart. */
const STATES: { readonly [K in LinkState["kind"]]: readonly Extract<LinkState, { kind: K }>[] } = {
  asleep: [{ kind: "asleep" }],
  backoff: [
    { kind: "backoff", attempts: 1, until: NOW + 1 },
    { kind: "backoff", attempts: 1, until: NOW },
  ],
  waking: [
    { kind: "waking", invocation: one, attempts: 1 },
    { kind: "waking", invocation: one, attempts: 4 },
  ],
  searching: [1, 2].flatMap((tries) =>
    [0, 1, 2]
      .filter((count) => count <= tries)
      .map((count) => ({
        kind: "searching",
        invocation: two,
        held: held.slice(0, count),
        tries,
      })),
  ),
  awake: [
    { kind: "awake", invocation: one, instance: primary, call: "open", endsBy: null },
    { kind: "awake", invocation: one, instance: primary, call: "unknown", endsBy: NOW },
  ],
  severed: [{ kind: "severed", invocation: one, instance: primary, call: "open" }],
  leaving: [{ kind: "leaving", invocation: one, instance: primary }],
  detached: [
    { kind: "detached", invocation: one, until: NOW + 1 },
    { kind: "detached", invocation: one, until: NOW },
  ],
};

/** How far a backup's second invocation of the node may be. */
const SIDES: readonly (SideFact | null)[] = [
  null,
  { stage: "invited", invocation: invocationId(8) },
  { stage: "greeted", invocation: invocationId(8), instance: other },
  { stage: "severed", invocation: invocationId(8), instance: other },
  { stage: "leaving", invocation: invocationId(8), instance: other },
  { stage: "unknown", invocation: invocationId(8), until: NOW + 1 },
];

const EVENTS: readonly LinkEvent["kind"][] = [
  "need",
  "hello",
  "bye",
  "disconnected",
  "returned",
  "crashed",
  "notStarted",
  "unknown",
  "tick",
];

const HEAD = `# The link: what the proxy believes of a node

The tables are generated from \`src/proxy/link-table.ts\` by \`node tools/node tools/link-page.ts\`; change it there. The states are described in \`src/proxy/link-state.ts\`, the messages in [operations.md](operations.md), the link's other end in [function.md](function.md).

**The life of the Invoke call decides what is believed; a ping never does.** An event that names an invocation of which the state does not speak changes nothing: it is dropped before the table. Three outcomes matter of a call: it *returned* or *crashed* (the provider says so), it was *not started* (the provider says so), or its fate is *unknown* (everything else). After *unknown* there is no new invocation before the one in doubt has certainly ended: another might start a second instance of a living one. It has ended 65 s after its Invoke (\`INVOCATION_LIFE_MS\`: the function's time-out and a margin), however late its fate became unknown.

*Lost* needs proof: the crash of the very instance, or a primary that did not answer while ${"`SEARCH_TRIES_MAX`"} further invocations were answered by others (up to ${"`SEARCH_TRIES_MAX_KNOWN`"} while the provider started none of these others afresh: then several idle, and the primary may be one of them), and all the strangers met were held awake together, so that none of them can have answered twice. A search that ends otherwise proves nothing: a stranger serves for that invocation without becoming the primary, and the next wake looks for the same one again ([decision 0010](../decisions/0010-a-stranger-may-serve-without-being-adopted.md)).

A *backup* invokes the node a second time while its primary is awake ([backup.md](backup.md)). That invocation is not the link's: the table sees only how far it is. It matters when the primary crashes meanwhile: then it becomes the wake (\`takeOver\`), since a further one would start one instance more and miss the replica, which is busy. And while it is under way a search proves nothing.

## What can come of an event

A cell lists every state that can follow, with the effects asked for, in order. A dash: nothing changes.
`;

/** The page as it should be. */
export function linkPage(): string {
  const sections = (Object.keys(LINK_TABLE) as LinkState["kind"][]).map((kind) => {
    const rows = EVENTS.map((event) => `| ${event} | ${outcomesOf(kind, event).join("<br>")} |`);
    const timer = STATES[kind].some((state) => tickAt(state) !== null)
      ? ["A timer ticks at its end.", ""]
      : [];
    return [`### ${kind}`, "", ...timer, "| event | becomes |", "|---|---|", ...rows, ""].join(
      "\n",
    );
  });
  return [HEAD, ...sections].join("\n");
}

/** What a cell can do: distinct outcomes over all cases. */
export function outcomesOf(kind: LinkState["kind"], event: LinkEvent["kind"]): string[] {
  const outcomes = new Set<string>();
  for (const state of STATES[kind]) {
    for (const sample of eventsFor(state, event)) {
      for (const facts of allFacts()) outcomes.add(describe(state, stepLink(state, sample, facts)));
    }
  }
  const told = [...outcomes].filter((outcome) => outcome !== "—");
  return told.length === 0 ? ["—"] : [...(told.length < outcomes.size ? ["—"] : []), ...told];
}

function eventsFor(state: LinkState, kind: LinkEvent["kind"]): LinkEvent[] {
  if (kind === "need" || kind === "tick") return [{ kind }];
  const invocations = state.kind === "searching" ? [two, one] : [one];
  return invocations.flatMap((invocation): LinkEvent[] => {
    if (kind === "hello")
      return [primary, stranger, other].flatMap((instance) =>
        [true, false].map((isFresh) => ({ kind, invocation, instance, isFresh }) as const),
      );
    return kind === "notStarted"
      ? [{ kind, invocation, retryAfterMs: null }]
      : [{ kind, invocation }];
  });
}

function allFacts(): LinkFacts[] {
  const primaries: readonly (InstanceId | null)[] = [primary, null];
  return primaries.flatMap((of) =>
    [true, false].flatMap((isWanted) =>
      [true, false].flatMap((isPrimaryWorthFinding) =>
        SIDES.map(
          (side): LinkFacts => ({
            now: NOW,
            primary: of,
            isPrimaryWorthFinding,
            primaryAtWork: null,
            begunAt: () => NOW,
            chunksOf: () => 0,
            isWanted,
            side,
            nextInvocation: invocationId(9),
            jitter: 1,
          }),
        ),
      ),
    ),
  );
}

function describe(before: LinkState, { state, effects }: LinkStep): string {
  const isSame = JSON.stringify(before) === JSON.stringify(state);
  if (isSame && effects.length === 0) return "—";
  const call = "call" in state && state.call === "unknown" ? " (its outcome unknown)" : "";
  const all = effects.map((effect) =>
    effect.kind === "hold" && effect.forMs === 0 ? "release" : effect.kind,
  );
  const names = all.filter((name, at) => name !== all[at - 1]); // One release or two: it is told once.
  return `**${state.kind}**${call}${names.length === 0 ? "" : `: ${names.join(", ")}`}`;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  writeFileSync(LINK_PAGE, linkPage());
}
