// What holds of a link whatever happens, in whatever order a provider, a network and two clocks can bring it about.
// A model keeps who spoke in which open call; the table is not asked what it believes.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type InvocationId, instanceId, invocationId } from "../../../src/core/ids.ts";
import {
  type LinkEvent,
  type LinkState,
  SEARCH_TRIES_MAX,
  WAKE_ATTEMPTS_MAX,
} from "../../../src/proxy/link-state.ts";
import { concerns, stepLink, tickAt } from "../../../src/proxy/link-table.ts";

const INSTANCES = ["P", "S", "T", "U"].map(instanceId);
const action = fc.record({
  kind: fc.constantFrom(
    "need",
    "hello",
    "bye",
    "disconnected",
    "returned",
    "crashed",
    "notStarted",
    "unknown",
    "tick",
    "wait",
  ),
  which: fc.nat(3),
  who: fc.nat(INSTANCES.length - 1),
  isWanted: fc.boolean(),
  isWorthFinding: fc.boolean(),
  waitMs: fc.constantFrom(1, 60, 1_500, 6_000, 66_000),
});

test("link: invokes only when no call is open but those of strangers, and none of unknown fate is in doubt", () => {
  let lost = 0;
  let detached = 0;
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: "max" }), (actions) => {
      let state: LinkState = { kind: "asleep" };
      let primary: string | null = "P";
      let now = 0;
      let drawn = 0;
      /** Calls without an outcome, and who spoke in them. */
      const open = new Map<InvocationId, string | null>();
      /** Of unknown fate and nobody spoke: until when it may run. */
      const doubtful = new Map<InvocationId, number>();
      const begunAt = new Map<InvocationId, number>();
      /** Who has spoken and is not known to have stopped, by call. */
      const speaking = new Map<InvocationId, string>();
      for (const { kind, which, who, isWanted, isWorthFinding, waitMs } of actions) {
        if (kind === "wait") {
          now += waitMs;
          continue;
        }
        const begun = [...open.keys()];
        const invocation = begun[which % Math.max(1, begun.length)] ?? invocationId(drawn);
        const instance = INSTANCES[who]!;
        // An outcome comes once, and a call is spoken for by one instance.
        if (!open.has(invocation) && !["need", "tick", "hello"].includes(kind)) continue;
        const speaker = open.get(invocation) ?? null;
        if (kind === "hello" && speaker !== null && speaker !== instance) continue;
        if (kind === "hello" && open.has(invocation)) open.set(invocation, instance);
        if (kind === "hello") doubtful.delete(invocation);
        const event = eventOf(kind, invocation, instance);
        const before = state;
        const facts = {
          now,
          primary: primary === null ? null : instanceId(primary),
          isPrimaryWorthFinding: isWorthFinding,
          primaryAtWork: atWork(open, primary, state),
          begunAt: (id: InvocationId) => begunAt.get(id) ?? now,
          chunksOf: () => 0,
          isWanted,
          side: null,
          nextInvocation: invocationId(drawn + 1),
          jitter: 1,
        };
        const step = stepLink(state, event, facts);
        const isOutcome = ["returned", "crashed", "notStarted", "unknown"].includes(kind);
        if (isOutcome) {
          const silent = open.get(invocation) === null;
          open.delete(invocation);
          if (kind === "unknown" && silent && concerns(before, invocation))
            doubtful.set(invocation, (begunAt.get(invocation) ?? now) + 65_000);
        }
        state = step.state;
        if (kind === "hello") speaking.set(invocation, instance);
        if (["bye", "disconnected", "returned", "crashed"].includes(kind))
          speaking.delete(invocation);
        let invoked = 0;
        for (const effect of step.effects) {
          if (effect.kind === "invoke") {
            invoked++;
            assert.equal(
              effect.invocation,
              invocationId(drawn + 1),
              "every Invoke has a fresh number",
            );
            for (const [id, of] of open)
              assert.ok(of !== null && of !== primary, `${id} is open and may be the primary's`);
            for (const until of doubtful.values())
              assert.ok(now >= until, "a call of unknown fate is in doubt");
            drawn++;
            open.set(effect.invocation, null);
            begunAt.set(effect.invocation, now);
          } else if (effect.kind === "lost") {
            lost++;
            const strangers = new Set([...speaking.values()].filter((of) => of !== primary));
            const isCrash = kind === "crashed" && speaker === effect.instance;
            assert.ok(isCrash || strangers.size > SEARCH_TRIES_MAX, "lost needs proof");
            if (primary === effect.instance) primary = null;
          } else if (effect.kind === "adopt") {
            primary = effect.instance;
          } else if (effect.kind === "byeOk") {
            assert.ok(concerns(before, effect.invocation), "only who is known is let go");
          }
        }
        assert.ok(invoked <= 1);
        if (state.kind === "detached") detached++;
        if (state.kind === "searching") {
          assert.ok(state.held.length <= SEARCH_TRIES_MAX, "so many are held at most");
          const met = new Set(state.held.map((each) => each.instance));
          assert.equal(met.size, state.held.length, "nobody is held twice");
          for (const each of state.held) assert.notEqual(each.instance, primary);
        }
        if (state.kind === "backoff") assert.ok(state.attempts <= WAKE_ATTEMPTS_MAX);
        if (tickAt(state) !== null)
          assert.ok((tickAt(state) ?? 0) <= now + 65_000, "a timer is bounded");
      }
    }),
    { numRuns: 3_000 },
  );
  assert.ok(lost > 0 && detached > 0, "the runs reached what they are about");
});

/** As the link's shell says it: what the primary spoke for, its outcome still to come, and no state speaks of. */
function atWork(
  open: ReadonlyMap<InvocationId, string | null>,
  primary: string | null,
  state: LinkState,
): InvocationId | null {
  for (const [id, of] of open) if (of !== null && of === primary && !concerns(state, id)) return id;
  return null;
}

function eventOf(
  kind: string,
  invocation: InvocationId,
  instance: (typeof INSTANCES)[number],
): LinkEvent {
  if (kind === "need" || kind === "tick") return { kind };
  if (kind === "hello") return { kind, invocation, instance, isFresh: true };
  if (kind === "notStarted") return { kind, invocation, retryAfterMs: null };
  // Proof: the kinds that are left carry an invocation and nothing else.
  return { kind: kind as "bye" | "disconnected" | "returned" | "crashed" | "unknown", invocation };
}
