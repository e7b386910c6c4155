// The transition table of a link: state × event → state and effects. Total and pure; a forgotten cell
// does not compile. docs/protocol/link.md is generated from its keys.

import type { InstanceId, InvocationId } from "../core/ids.ts";
import type {
  HeldInstance,
  LinkEffect,
  LinkEvent,
  LinkFacts,
  LinkState,
  LinkStep,
} from "./link-state.ts";
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  INVOCATION_LIFE_MS,
  LEAVE_MARGIN_MS,
  SEARCH_HOLD_MS,
  SEARCH_TRIES_MAX,
  SEARCH_TRIES_MAX_KNOWN,
  WAKE_ATTEMPTS_MAX,
} from "./link-state.ts";

type StateOf<K extends LinkState["kind"]> = Extract<LinkState, { kind: K }>;
type EventOf<K extends LinkEvent["kind"]> = Extract<LinkEvent, { kind: K }>;
type Cell<S extends LinkState["kind"], E extends LinkEvent["kind"]> = (
  state: StateOf<S>,
  event: EventOf<E>,
  facts: LinkFacts,
) => LinkStep;
type Table = {
  readonly [S in LinkState["kind"]]: { readonly [E in LinkEvent["kind"]]: Cell<S, E> };
};

const go = (state: LinkState, ...effects: readonly LinkEffect[]): LinkStep => ({ state, effects });
const stay = (state: LinkState): LinkStep => ({ state, effects: [] });

/** Invokes; `before` goes out first. A primary that is at work is waited for: an invocation would start a second instance. */
function wake(facts: LinkFacts, attempts: number, ...before: readonly LinkEffect[]): LinkStep {
  const { primary, primaryAtWork } = facts;
  if (primary !== null && primaryAtWork !== null) {
    const severed = { kind: "severed", invocation: primaryAtWork, instance: primary } as const;
    return go({ ...severed, call: "open" }, ...before);
  }
  const invocation = facts.nextInvocation;
  return go({ kind: "waking", invocation, attempts }, ...before, { kind: "invoke", invocation });
}

/** The invocation is over: sleep, or wake at once when there is work. */
function rest(facts: LinkFacts, ...before: readonly LinkEffect[]): LinkStep {
  return facts.isWanted ? wake(facts, 1, ...before) : go({ kind: "asleep" }, ...before);
}

/** A wake failed: wait, and after a few in a row let the waiting go. */
function backOff(facts: LinkFacts, attempts: number, retryAfterMs: number | null): LinkStep {
  const doubled = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (attempts - 1));
  const until = facts.now + Math.max(retryAfterMs ?? 0, doubled * facts.jitter);
  const isHopeless = attempts >= WAKE_ATTEMPTS_MAX;
  return go(
    { kind: "backoff", attempts, until },
    ...(isHopeless ? [{ kind: "giveUp" } as const] : []),
  );
}

/** When the invocation has certainly ended: the provider's time-out counts from its beginning, whenever we lost sight of it. */
const endOf = (invocation: InvocationId, facts: LinkFacts): number =>
  facts.begunAt(invocation) + INVOCATION_LIFE_MS;

function detach(
  facts: LinkFacts,
  invocation: InvocationId,
  ...effects: readonly LinkEffect[]
): LinkStep {
  return go({ kind: "detached", invocation, until: endOf(invocation, facts) }, ...effects);
}

/** A call of unknown fate never reports its end, and a dead instance may leave a connection that says nothing: time must. */
function awakeAs(
  { invocation, instance, call }: Omit<HeldInstance, "isFresh">,
  facts: LinkFacts,
): LinkState {
  const endsBy = call === "open" ? null : endOf(invocation, facts);
  return { kind: "awake", invocation, instance, call, endsBy };
}

function doubt(state: StateOf<"awake">, facts: LinkFacts): LinkStep {
  return state.call === "open" ? go(awakeAs({ ...state, call: "unknown" }, facts)) : stay(state);
}

/** An instance answered a wake. If it is not the one that holds our data, look for that one first. */
function greet(event: EventOf<"hello">, call: "open" | "unknown", facts: LinkFacts): LinkStep {
  const { invocation, instance } = event;
  const awake = awakeAs({ invocation, instance, call }, facts);
  if (instance === facts.primary) return go(awake);
  if (facts.primary === null || !facts.isPrimaryWorthFinding)
    return go(awake, { kind: "adopt", instance });
  return search([{ invocation, instance, call, isFresh: event.isFresh }], 1, facts);
}

/** Holds the last one met beside the others, and invokes once more. */
function search(held: readonly HeldInstance[], tries: number, facts: LinkFacts): LinkStep {
  const last = held.at(-1);
  const hold: LinkEffect[] =
    last === undefined
      ? []
      : [{ kind: "hold", invocation: last.invocation, forMs: SEARCH_HOLD_MS }];
  const invocation = facts.nextInvocation;
  return go({ kind: "searching", invocation, held, tries }, ...hold, {
    kind: "invoke",
    invocation,
  });
}

const release = (held: readonly HeldInstance[]): LinkEffect[] =>
  held.map(({ invocation }) => ({ kind: "hold", invocation, forMs: 0 }));

/** A further invocation found an instance: the primary, or one more stranger. */
function found(state: StateOf<"searching">, event: EventOf<"hello">, facts: LinkFacts): LinkStep {
  if (event.invocation !== state.invocation) return stay(state); // A held one has dialled again.
  const { invocation, instance, isFresh } = event;
  // One that answers twice was no longer held, only the news of its return is late: it counts once.
  const held = state.held.filter((each) => each.instance !== instance);
  const met: readonly HeldInstance[] = [...held, { invocation, instance, call: "open", isFresh }];
  const primary = met.find((each) => each.instance === facts.primary);
  if (primary !== undefined) return go(awakeAs(primary, facts), ...release(held));
  const isSought = facts.primary !== null && facts.isPrimaryWorthFinding;
  // While all that were met idled before, the primary may idle beside them; one that was started means that nobody did.
  const triesMax = met.some((each) => each.isFresh) ? SEARCH_TRIES_MAX : SEARCH_TRIES_MAX_KNOWN;
  if (isSought && state.tries < triesMax) return search(met, state.tries + 1, facts);
  const chosen = richest(met, facts);
  const awake = awakeAs(chosen, facts);
  if (facts.primary === null || !isSought)
    return go(awake, ...release(held), { kind: "adopt", instance: chosen.instance });
  // Proof is that many distinct instances awake at once, none of them the primary. One that left may have answered twice.
  // And it may be busy with a side invocation: then it cannot have answered.
  if (held.length < SEARCH_TRIES_MAX || facts.side !== null) return go(awake, ...release(held));
  return go(
    awake,
    ...release(held),
    { kind: "lost", instance: facts.primary },
    { kind: "adopt", instance: chosen.instance },
  );
}

/** The one that holds most; of equals the one met last. It may have served before, when a search could not be finished. */
function richest(met: readonly HeldInstance[], facts: LinkFacts): HeldInstance {
  return met.reduce((best, each) =>
    facts.chunksOf(each.instance) >= facts.chunksOf(best.instance) ? each : best,
  );
}

/**
 * A call of the search has ended. If it is the one that looked, nothing is proven: a stranger serves for this invocation
 * and is not adopted, so that the next wake looks for the same primary again.
 */
function settle(
  state: StateOf<"searching">,
  event: EventOf<"returned" | "crashed" | "notStarted" | "unknown">,
  facts: LinkFacts,
): LinkStep {
  if (event.invocation !== state.invocation) return heldEnded(state, event);
  const { held } = state;
  // Perhaps the primary is at work: as after any unknown fate, nothing is invoked before it must have ended.
  if (event.kind === "unknown")
    return detach(facts, state.invocation, ...release(held), { kind: "giveUp" });
  if (held.length === 0)
    return backOff(facts, 1, event.kind === "notStarted" ? event.retryAfterMs : null);
  return go(awakeAs(richest(held, facts), facts), ...release(held));
}

/** The call of one that is held has ended; the search goes on. */
function heldEnded(
  state: StateOf<"searching">,
  event: EventOf<"returned" | "crashed" | "notStarted" | "unknown">,
): LinkStep {
  if (event.kind === "notStarted" || event.kind === "unknown") {
    // It spoke, so it did start: it is still there, and how it ends nobody will say.
    return go({
      ...state,
      held: state.held.map((each) =>
        each.invocation === event.invocation ? { ...each, call: "unknown" } : each,
      ),
    });
  }
  const ended = state.held.find((each) => each.invocation === event.invocation);
  const lost: LinkEffect[] =
    event.kind === "crashed" && ended !== undefined
      ? [{ kind: "lost", instance: ended.instance }]
      : [];
  return go(without(state, event.invocation), ...lost);
}

const without = (state: StateOf<"searching">, invocation: InvocationId): LinkState => ({
  ...state,
  held: state.held.filter((each) => each.invocation !== invocation),
});

/**
 * The instance is proven gone. If the node is invoked a second time just now, that invocation is the wake: another one beside
 * it would start one instance more, and miss the replica, which is busy with it.
 */
function lostAnd(instance: InstanceId, facts: LinkFacts): LinkStep {
  const { side } = facts;
  const lost: LinkEffect = { kind: "lost", instance };
  const interrupt: LinkEffect = { kind: "interrupt" };
  if (side === null) return rest(facts, interrupt, lost);
  const { invocation } = side;
  const effects = [lost, { kind: "takeOver" }] as const;
  switch (side.stage) {
    case "invited":
      return go({ kind: "waking", invocation, attempts: 1 }, ...effects, interrupt);
    case "greeted": {
      const { instance: replica } = side;
      const next = awakeAs({ invocation, instance: replica, call: "open" }, facts);
      return go(next, ...effects, { kind: "adopt", instance: replica }, interrupt);
    }
    case "severed": {
      const { instance: replica } = side;
      const next = { kind: "severed", invocation, instance: replica, call: "open" } as const;
      return go(next, ...effects, { kind: "adopt", instance: replica }, interrupt);
    }
    case "leaving":
      return go({ kind: "leaving", invocation, instance: side.instance }, ...effects, interrupt);
    case "unknown":
      return detach(facts, invocation, ...effects, interrupt);
  }
}

/** One row per state, one cell per event. */
export const LINK_TABLE: Table = {
  asleep: {
    need: (_state, _event, facts) => wake(facts, 1),
    hello: stay,
    bye: stay,
    disconnected: stay,
    returned: stay,
    crashed: stay,
    notStarted: stay,
    unknown: stay, // Of invocations that have ended.
    tick: stay,
  },
  backoff: {
    need: stay, // The wait is there to be kept.
    hello: stay,
    bye: stay,
    disconnected: stay,
    returned: stay,
    crashed: stay,
    notStarted: stay,
    unknown: stay, // Of invocations that have ended.
    tick: (state, _event, facts) => {
      if (facts.now < state.until) return stay(state);
      if (!facts.isWanted) return go({ kind: "asleep" });
      return wake(facts, state.attempts >= WAKE_ATTEMPTS_MAX ? 1 : state.attempts + 1);
    },
  },
  waking: {
    need: stay, // It is on its way.
    hello: (_state, event, facts) => greet(event, "open", facts),
    bye: stay, // Cannot come before a hello.
    disconnected: stay,
    returned: (state, _event, facts) => backOff(facts, state.attempts, null), // It could not reach us, or refused; a hello that comes later is stale.
    crashed: (state, _event, facts) => backOff(facts, state.attempts, null), // Which instance it was nobody knows; the next wake tells.
    notStarted: (state, event, facts) => backOff(facts, state.attempts, event.retryAfterMs),
    unknown: (state, _event, facts) => detach(facts, state.invocation, { kind: "giveUp" }),
    tick: stay,
  },
  searching: {
    need: stay,
    hello: found,
    bye: (state, event) =>
      event.invocation === state.invocation
        ? stay(state)
        : go(without(state, event.invocation), { kind: "byeOk", invocation: event.invocation }),
    disconnected: (state, event) => go(without(state, event.invocation)),
    returned: settle,
    crashed: settle,
    notStarted: settle,
    unknown: settle,
    tick: stay,
  },
  awake: {
    need: stay,
    hello: stay, // The same instance over a new connection; the shell has moved the session.
    bye: (state, event, facts) => {
      const effects: LinkEffect[] = [
        { kind: "interrupt" },
        { kind: "byeOk", invocation: event.invocation },
      ];
      const { invocation, instance } = state;
      if (state.call === "open") return go({ kind: "leaving", invocation, instance }, ...effects);
      return go({ kind: "detached", invocation, until: facts.now + LEAVE_MARGIN_MS }, ...effects);
    },
    disconnected: (state, _event, facts) => {
      if (state.call === "open") return go({ ...state, kind: "severed" }, { kind: "interrupt" });
      return detach(facts, state.invocation, { kind: "interrupt" }); // No outcome will ever end it: time must.
    },
    returned: (_state, _event, facts) => rest(facts, { kind: "interrupt" }), // It gave up waiting for an answer to its bye.
    crashed: (state, _event, facts) => lostAnd(state.instance, facts),
    notStarted: (state, _event, facts) => doubt(state, facts), // It spoke, so it did start; the outcome was misread.
    unknown: (state, _event, facts) => doubt(state, facts),
    tick: (state, _event, facts) =>
      state.endsBy === null || facts.now < state.endsBy
        ? stay(state)
        : rest(facts, { kind: "interrupt" }),
  },
  severed: {
    need: stay, // It dials again while its invocation lasts; else its return wakes it.
    hello: (state, _event, facts) => go(awakeAs(state, facts)),
    bye: stay, // Came over the connection that is gone.
    disconnected: stay,
    returned: (_state, _event, facts) => rest(facts),
    crashed: (state, _event, facts) => lostAnd(state.instance, facts),
    notStarted: (state, _event, facts) => detach(facts, state.invocation, { kind: "giveUp" }),
    unknown: (state, _event, facts) => detach(facts, state.invocation, { kind: "giveUp" }),
    tick: stay,
  },
  leaving: {
    need: stay, // Its return wakes it again.
    hello: stay,
    bye: stay,
    disconnected: stay, // It has said all it had to say.
    returned: (_state, _event, facts) => rest(facts),
    crashed: (state, _event, facts) => lostAnd(state.instance, facts),
    notStarted: (state, _event, facts) =>
      go({ kind: "detached", invocation: state.invocation, until: facts.now + LEAVE_MARGIN_MS }),
    unknown: (state, _event, facts) =>
      go({ kind: "detached", invocation: state.invocation, until: facts.now + LEAVE_MARGIN_MS }),
    tick: stay,
  },
  detached: {
    need: (state) => go(state, { kind: "giveUp" }), // Another invocation might start a second instance of a living one.
    hello: (_state, event, facts) => greet(event, "unknown", facts),
    bye: (state, event, facts) =>
      go(
        { ...state, until: facts.now + LEAVE_MARGIN_MS },
        { kind: "byeOk", invocation: event.invocation },
      ),
    disconnected: stay,
    returned: stay,
    crashed: stay,
    notStarted: stay,
    unknown: stay, // The call has ended already, as unknown.
    tick: (state, _event, facts) => (facts.now < state.until ? stay(state) : rest(facts)),
  },
};

/** Whether the state speaks of this invocation. */
export function concerns(state: LinkState, invocation: InvocationId): boolean {
  if (state.kind === "asleep" || state.kind === "backoff") return false;
  if (state.kind === "searching" && state.held.some((each) => each.invocation === invocation))
    return true;
  return state.invocation === invocation;
}

/** One transition. Events of invocations the state does not speak of change nothing: this is the one place where they end. */
export function stepLink(state: LinkState, event: LinkEvent, facts: LinkFacts): LinkStep {
  if ("invocation" in event && !concerns(state, event.invocation)) return stay(state);
  // Proof of the cast: the cell stands in the row of this state and the column of this event.
  const cell = LINK_TABLE[state.kind][event.kind] as (
    state: LinkState,
    event: LinkEvent,
    facts: LinkFacts,
  ) => LinkStep;
  return cell(state, event, facts);
}

/** When the state wants a tick, or null. */
export function tickAt(state: LinkState): number | null {
  if (state.kind === "awake") return state.endsBy;
  return state.kind === "backoff" || state.kind === "detached" ? state.until : null;
}

/** Whether what waits in this state will wait for longer than a wake takes. */
export function isLate({ kind }: LinkState): boolean {
  return kind === "searching" || kind === "backoff" || kind === "detached";
}
