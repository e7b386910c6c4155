// A backup round as data: its states, what can happen to it, and the table state × event → state and effects. Pure and
// total, like the link's. Timers, messages and chunks are backup-round.ts's business.

/** How far a round is. */
export type BackupState =
  /** The primary is being woken, if it was asleep. */
  | { readonly kind: "calling" }
  /** The primary was asked to stay, and has not said that it heard. */
  | { readonly kind: "holding" }
  /** The node was invoked once more; or its replica dials again. */
  | { readonly kind: "inviting" }
  /** The replica lists what it holds. */
  | { readonly kind: "comparing" }
  /** Drops and chunks are on their way to it. */
  | { readonly kind: "copying" }
  /** The replica was let go; the primary stays until it has returned. */
  | { readonly kind: "dismissing"; readonly isComplete: boolean }
  | { readonly kind: "over"; readonly isComplete: boolean };

/** What can happen to a round. */
export type BackupEvent =
  /** The primary is awake. */
  | { readonly kind: "started" }
  /** It stays. */
  | { readonly kind: "held" }
  /** Somebody answered the second Invoke. `agrees`: it holds exactly what the account says. */
  | { readonly kind: "greeted"; readonly isPrimary: boolean; readonly agrees: boolean }
  | { readonly kind: "compared" }
  /** Nothing is left to copy. */
  | { readonly kind: "copied" }
  /** Its time is up, it has moved as much as it may, or the proxy closes. */
  | { readonly kind: "stopped" }
  /** The primary's invocation has ended, or somebody else serves. */
  | { readonly kind: "primaryGone" }
  /** Its connection is gone, and what was on its way with it; it says hello again, or its call ends. */
  | { readonly kind: "replicaSevered" }
  /** The replica takes nothing more, but has not returned yet. */
  | { readonly kind: "replicaLeaving" }
  | { readonly kind: "replicaGone" };

/** What the shell must do, in order. */
export type BackupEffect =
  | "hold"
  | "invite"
  /** Keep the replica awake, and tell it what it may forget. */
  | "receive"
  | "compare"
  | "copy"
  | "cancelCopies"
  /** Let the replica go. */
  | "dismiss"
  /** Let the primary go. */
  | "release";

/** The next state and what to do. */
export interface BackupStep {
  readonly state: BackupState;
  readonly effects: readonly BackupEffect[];
}

type StateOf<K extends BackupState["kind"]> = Extract<BackupState, { kind: K }>;
type EventOf<K extends BackupEvent["kind"]> = Extract<BackupEvent, { kind: K }>;
type Table = {
  readonly [S in BackupState["kind"]]: {
    readonly [E in BackupEvent["kind"]]: (state: StateOf<S>, event: EventOf<E>) => BackupStep;
  };
};

const go = (state: BackupState, ...effects: readonly BackupEffect[]): BackupStep => ({
  state,
  effects,
});
const stay = (state: BackupState): BackupStep => go(state);
const abort = (...effects: readonly BackupEffect[]): BackupStep =>
  go({ kind: "over", isComplete: false }, ...effects, "release");
const dismiss = (isComplete: boolean, ...effects: readonly BackupEffect[]): BackupStep =>
  go({ kind: "dismissing", isComplete }, ...effects);

/** One row per state, one cell per event. */
export const BACKUP_TABLE: Table = {
  calling: {
    started: () => go({ kind: "holding" }, "hold"),
    held: stay, // Nobody was asked.
    greeted: stay,
    compared: stay,
    copied: stay,
    stopped: () => abort(),
    primaryGone: () => abort(),
    replicaSevered: stay,
    replicaLeaving: stay,
    replicaGone: stay,
  },
  holding: {
    started: stay,
    held: () => go({ kind: "inviting" }, "invite"),
    greeted: stay,
    compared: stay,
    copied: stay,
    stopped: () => abort(),
    primaryGone: () => abort(),
    replicaSevered: stay,
    replicaLeaving: stay,
    replicaGone: stay,
  },
  inviting: {
    started: stay,
    held: stay,
    // The primary itself: its invocation had ended, and nothing may be copied onto its source.
    greeted: (_state, { isPrimary, agrees }) => {
      if (isPrimary) return dismiss(false, "dismiss");
      return agrees
        ? go({ kind: "copying" }, "receive", "copy")
        : go({ kind: "comparing" }, "receive", "compare");
    },
    compared: stay,
    copied: stay,
    stopped: () => dismiss(false), // Whoever answers is let go then.
    primaryGone: () => dismiss(false),
    replicaSevered: stay,
    replicaLeaving: () => dismiss(false), // It had spoken, dialled again, and came only to say this.
    replicaGone: () => abort(),
  },
  comparing: {
    started: stay,
    held: stay,
    greeted: stay, // It has spoken already.
    compared: () => go({ kind: "copying" }, "copy"),
    copied: stay,
    stopped: () => dismiss(false, "dismiss"),
    primaryGone: () => dismiss(false, "dismiss"),
    replicaSevered: () => go({ kind: "inviting" }),
    replicaLeaving: () => dismiss(false),
    replicaGone: () => abort(),
  },
  copying: {
    started: stay,
    held: stay,
    greeted: stay,
    compared: stay,
    copied: () => dismiss(true, "dismiss"),
    stopped: () => dismiss(false, "cancelCopies", "dismiss"),
    primaryGone: () => dismiss(false, "cancelCopies", "dismiss"),
    replicaSevered: () => go({ kind: "inviting" }, "cancelCopies"),
    replicaLeaving: () => dismiss(false, "cancelCopies"),
    replicaGone: () => abort("cancelCopies"),
  },
  dismissing: {
    started: stay,
    held: stay,
    greeted: (state) => go(state, "dismiss"), // It was invited before the round ended.
    compared: stay,
    copied: stay,
    stopped: ({ isComplete }) => go({ kind: "over", isComplete }, "release"),
    primaryGone: stay, // The replica is on its way out, and needs nobody for that.
    replicaSevered: stay, // When it says hello again it is let go again.
    replicaLeaving: stay, // As it was told.
    replicaGone: ({ isComplete }) => go({ kind: "over", isComplete }, "release"),
  },
  over: {
    started: stay,
    held: stay,
    greeted: (state) => go(state, "dismiss"), // So late that nobody waited for it.
    compared: stay,
    copied: stay,
    stopped: stay,
    primaryGone: stay,
    replicaSevered: stay,
    replicaLeaving: stay,
    replicaGone: stay,
  },
};

/** One transition. */
export function stepBackup(state: BackupState, event: BackupEvent): BackupStep {
  // Proof of the cast: the cell stands in the row of this state and the column of this event.
  const cell = BACKUP_TABLE[state.kind][event.kind] as (
    state: BackupState,
    event: BackupEvent,
  ) => BackupStep;
  return cell(state, event);
}
