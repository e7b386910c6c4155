// The link to one node at work: it steps the table, performs its effects, and runs exchanges on the session
// of the instance that is awake. All decisions about states are the table's.

import { assert } from "../core/assert.ts";
import type { InstanceId, InvocationId, NodeIndex } from "../core/ids.ts";
import { instanceId } from "../core/ids.ts";
import type { InvokeOutcome, Purpose, Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { Exchange } from "./exchange.ts";
import { ExchangeQueue } from "./exchange-queue.ts";
import type { FunctionSession } from "./function-session.ts";
import { LinkActivity } from "./link-activity.ts";
import type { LinkContext } from "./link-context.ts";
import { Invocations, moreUrgent } from "./link-invocation.ts";
import { LinkSide, type SideGuest } from "./link-side.ts";
import type { LinkEffect, LinkEvent, LinkFacts, LinkState } from "./link-state.ts";
import { concerns, isLate, stepLink, tickAt } from "./link-table.ts";

/** The proxy's end of everything that concerns one node. */
export class NodeLink {
  readonly node: NodeIndex;
  /** When it was last spoken to. As long as what is overdue finds it silent, others are asked before it. */
  readonly activity: LinkActivity;
  readonly #context: LinkContext;
  readonly #invocations = new Invocations();
  readonly #exchanges: ExchangeQueue;
  readonly #side: LinkSide;
  #state: LinkState = { kind: "asleep" };
  #primary: InstanceId | null;
  #nextChannel = 1;
  #timer: Timer | null = null;
  #wantedPurpose: Purpose = "warm-up";
  #hasGreeted = false;
  #isStopped = false;

  constructor(node: NodeIndex, primary: InstanceId | null, context: LinkContext) {
    this.node = node;
    this.#primary = primary;
    this.#context = context;
    this.activity = new LinkActivity(context.breakMsMin);
    this.#exchanges = new ExchangeQueue(context.clock);
    this.#side = new LinkSide(context.clock, this.#invocations);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Whose store the next wake looks for. */
  get primary(): InstanceId | null {
    return this.#primary;
  }

  /** The instance on which exchanges run now; not always the primary. */
  get awakeInstance(): InstanceId | null {
    return this.#state.kind === "awake" ? this.#state.instance : null;
  }

  /** Whether what waits here will wait for longer than a wake takes. */
  get isLate(): boolean {
    return this.activity.isSilent || isLate(this.#state);
  }

  /** True once any instance of the node has said hello in this term. */
  get hasGreeted(): boolean {
    return this.#hasGreeted;
  }

  /** Whether a request sent now would be read now. */
  get isAwake(): boolean {
    return this.awakeInstance !== null;
  }

  /** Awake with nothing to do. */
  get isIdle(): boolean {
    return this.isAwake && this.#exchanges.isEmpty;
  }

  /** Whether a second invocation of the node is under way, or may be. */
  get hasSide(): boolean {
    return this.#side.fact !== null;
  }

  /** Invocations whose outcome is still to come. */
  get invocationsUnderWay(): number {
    return this.#invocations.size;
  }

  /** Begun, and its outcome is still to come or never will. */
  hasBegun(invocation: InvocationId): boolean {
    return this.#invocations.has(invocation);
  }

  /** Runs an exchange as soon as the node is awake; wakes it. */
  open(exchange: Exchange): void {
    if (this.isIdle) this.activity.noteWanted(exchange.purpose, this.#context.clock.now());
    if (!this.#exchanges.offer(exchange)) return;
    this.wake(exchange.purpose);
  }

  /** Ends an exchange without calling it back; whatever it still has queued is dropped. */
  close(exchange: Exchange, channel: number | null): void {
    if (!this.#exchanges.remove(exchange, channel) || channel === null) return;
    const session = this.#session();
    session?.connection.dropQueued(channel);
    session?.send(channel, { kind: "cancel" });
  }

  /** Asks on a channel of its own for what `onInventory` will get. Only while the instance is awake. */
  askInventory(): void {
    this.send(this.#nextChannel++, { kind: "inventoryGet" });
  }

  /** Invokes the node once more, beside the instance that is held awake: another one answers, and speaks to the guest. */
  invite(purpose: Purpose, guest: SideGuest): void {
    assert(this.isAwake && !this.hasSide, "a side invocation needs the primary awake");
    const id = this.#context.nextInvocation();
    this.#side.begin(id, guest);
    this.#begin(id, purpose);
  }

  /** Sends to the instance of the side invocation; see `LinkSide.send`. */
  sendSide(channel: number | "fresh", message: Message, body?: Uint8Array, onSent?: () => void) {
    const on = channel === "fresh" ? this.#nextChannel++ : channel;
    return this.#side.send(on, message, body, onSent);
  }

  /** The exchange has its answer. */
  finish(channel: number): void {
    this.activity.noteWorked(this.#context.clock.now());
    this.#exchanges.finish(channel);
  }

  /** Invokes nothing before this time: what an earlier proxy invoked may still be running. Only before anything else. */
  holdBack(until: number): void {
    assert(this.#state.kind === "asleep", "a link is held back before its first use");
    this.#state = { kind: "backoff", attempts: 0, until };
    this.#armTick(this.#context.clock.now());
  }

  /** Invokes the node if it is asleep, to keep it or to see whether it lives. */
  wake(purpose: Purpose): void {
    if (this.#state.kind === "awake") return this.#flush();
    this.#wantedPurpose = moreUrgent(purpose, this.#wantedPurpose);
    this.#step({ kind: "need" });
  }

  /** Sends within the running invocation; only for exchanges that were started, and for requests while awake. */
  send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): void {
    const session = this.#session();
    assert(session !== null, "a link sends only while its instance is awake");
    this.#invocations.count(session.invocation, message);
    this.activity.noteSent(this.#context.clock.now());
    session.send(channel, message, body, onSent);
  }

  /** Where a body goes that came over this session; null when it is nobody's. */
  bodyPlace(session: FunctionSession, channel: number, message: Message, bytes: number) {
    if (session !== this.#session()) return null;
    return this.#exchanges.at(channel)?.bodyPlace(message, bytes) ?? null;
  }

  onHello(session: FunctionSession, hello: MessageOf<"functionHello">): void {
    const invocation = this.#invocations.get(session.invocation);
    assert(invocation !== undefined, "the session has checked the invocation");
    const [before, instance] = [this.#state, instanceId(session.instance ?? "")];
    if (invocation.instance !== null && invocation.instance !== instance) {
      // The provider ran one Invoke twice: the first instance to speak for it is counted on.
      session.connection.close("another instance speaks for this invocation");
      return;
    }
    if (invocation.session !== null && invocation.session !== session) {
      // It has dialled again: what was under way on the old connection is void.
      const old = invocation.session;
      invocation.session = session;
      old.connection.close("replaced by a newer connection");
      if (before.kind === "awake" && before.invocation === session.invocation)
        this.#exchanges.interrupt();
    }
    this.activity.noteHeard(this.#context.clock.now());
    invocation.session = session;
    invocation.instance = instance;
    invocation.hello = hello;
    invocation.requestsSent = 0;
    this.#hasGreeted = true;
    this.#context.counters.redials += hello.redials;
    if (hello.isFresh) this.#context.counters.instancesSeen++;
    this.#context.onSeen(this.node, instance);
    if (this.#side.isOf(session.invocation)) return this.#onSideHello(session, hello, instance);
    const { isFresh } = hello;
    this.#step({ kind: "hello", invocation: session.invocation, instance, isFresh });
    const state = this.#state;
    if (state.kind === "awake" && state.invocation === session.invocation) {
      this.#context.onAwake(this, hello);
      this.#flush();
    }
  }

  onMessage(
    session: FunctionSession,
    channel: number,
    message: Message,
    body: Uint8Array | null,
  ): void {
    this.activity.noteHeard(this.#context.clock.now());
    if (message.kind === "bye") return this.#onBye(session, message);
    if (this.#side.isOf(session.invocation)) return this.#side.onMessage(channel, message);
    if (session !== this.#session()) {
      this.#context.counters.staleFrames++;
      return;
    }
    if (message.kind === "inventory") return this.#context.onInventory(this, message);
    this.#exchanges.at(channel)?.onMessage(message, body);
  }

  onSessionClosed(session: FunctionSession): void {
    const invocation = this.#invocations.get(session.invocation);
    if (invocation === undefined || invocation.session !== session) return;
    invocation.session = null;
    if (this.#side.isOf(session.invocation)) return this.#side.onClosed();
    this.#step({ kind: "disconnected", invocation: session.invocation });
  }

  /** The proxy closes: no timer stays, and whatever still happens changes nothing. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** The session on which exchanges run: that of the awake instance. */
  #session(): FunctionSession | null {
    if (this.#state.kind !== "awake") return null;
    return this.#invocations.sessionOf(this.#state.invocation);
  }

  #flush(): void {
    const session = this.#session();
    if (session === null || !this.#exchanges.hasWaiting) return;
    const invocation = this.#invocations.get(session.invocation);
    for (const exchange of this.#exchanges.takeWaiting()) {
      if (invocation !== undefined)
        invocation.purpose = moreUrgent(exchange.purpose, invocation.purpose);
      const channel = this.#nextChannel++;
      this.#exchanges.run(channel, exchange);
      exchange.start(channel);
    }
  }

  #onBye(session: FunctionSession, bye: MessageOf<"bye">): void {
    const invocation = this.#invocations.get(session.invocation);
    if (invocation === undefined || invocation.session !== session) return;
    // A request is on its way to the instance: its arrival makes the bye void.
    if (!bye.isFinal && invocation.requestsSent > bye.requestsSeen) return;
    if (this.#side.isOf(session.invocation)) this.#side.onBye();
    // A side invocation, or a stranger that was let go: no state speaks of it, and it need not wait for an answer in vain.
    if (!concerns(this.#state, session.invocation)) return session.send(0, { kind: "byeOk" });
    this.#step({ kind: "bye", invocation: session.invocation });
  }

  #onSideHello(
    session: FunctionSession,
    hello: MessageOf<"functionHello">,
    instance: InstanceId,
  ): void {
    const state = this.#state;
    // It serves one invocation at a time: the one in which it was awake has ended, whatever its connection says.
    if ("instance" in state && state.instance === instance) {
      const over = this.#invocations.get(state.invocation);
      if (over !== undefined) over.session = null;
      this.#step({ kind: "disconnected", invocation: state.invocation });
    }
    if (!this.#side.onHello(hello, instance)) session.send(0, { kind: "hold", forMs: 0 });
  }

  #step(event: LinkEvent): void {
    if (this.#isStopped) return;
    const facts = this.#facts();
    const { state, effects } = stepLink(this.#state, event, facts);
    const before = this.#state;
    if (state.kind === "searching" && before.kind !== "searching")
      this.#context.counters.searches++;
    this.#state = state;
    if (state.kind === "asleep") this.#wantedPurpose = "warm-up"; // What it was wanted for has gone by.
    this.#armTick(facts.now);
    this.#invocations.forgetUnknown(this.#isSpokenOf);
    for (const effect of effects) this.#perform(effect);
    const isHello = event.kind === "hello" && concerns(state, event.invocation);
    if (state.kind === "awake" && this.#state === state) {
      if (before.kind === "searching" && !isHello) {
        // One that was held is awake, and was never looked at. The last one met is seen to in onHello.
        const hello = this.#invocations.get(state.invocation)?.hello ?? null;
        if (hello !== null && this.#session() !== null) this.#context.onAwake(this, hello);
      } else if (event.kind === "crashed") this.#context.onAwake(this, null); // The replica took over.
    }
    if (!isHello) this.#flush();
    if (state.kind !== before.kind && this.isLate) this.#exchanges.tellLate(() => this.isLate);
  }

  #facts(): LinkFacts {
    const context = this.#context;
    const now = context.clock.now();
    let drawn: InvocationId | null = null;
    const chunksOf = (instance: InstanceId): number => context.chunksOf(this.node, instance);
    this.#primary = context.primaryOf(this.node, this.#primary);
    return {
      now,
      primary: this.#primary,
      isPrimaryWorthFinding: this.#primary !== null && chunksOf(this.#primary) > 0,
      primaryAtWork: this.#invocations.unheardOf(this.#primary, this.#isSpokenOf),
      begunAt: (invocation) => this.#invocations.begunAt(invocation, now),
      chunksOf,
      isWanted: this.#exchanges.hasWaiting,
      side: this.#side.fact,
      // Drawn only by transitions that invoke: 32 bits must last for a term.
      get nextInvocation(): InvocationId {
        drawn ??= context.nextInvocation();
        return drawn;
      },
      jitter: 0.5 + context.random.below(1_000) / 1_000,
    };
  }

  readonly #isSpokenOf = (id: InvocationId): boolean =>
    concerns(this.#state, id) || this.#side.isOf(id);

  #armTick(now: number): void {
    this.#timer?.cancel();
    const at = tickAt(this.#state);
    this.#timer =
      at === null
        ? null
        : this.#context.clock.setTimer(Math.max(0, at - now), () => this.#step({ kind: "tick" }));
  }

  #perform(effect: LinkEffect): void {
    switch (effect.kind) {
      case "invoke":
        return this.#invoke(effect.invocation);
      case "hold":
        return this.#tell(effect.invocation, { kind: "hold", forMs: effect.forMs });
      case "byeOk":
        return this.#tell(effect.invocation, { kind: "byeOk" });
      case "interrupt":
        return this.#exchanges.interrupt();
      case "giveUp":
        this.#wantedPurpose = "warm-up";
        return this.#exchanges.giveUp();
      case "adopt":
        this.#primary = effect.instance;
        return;
      case "takeOver":
        return this.#side.takeOver();
      case "lost":
        if (this.#primary === effect.instance) this.#primary = null;
        this.#context.counters.instancesLost++;
        return this.#context.onLost(this, effect.instance);
    }
  }

  #tell(id: InvocationId, message: Message): void {
    const session = this.#invocations.sessionOf(id);
    if (session !== null) this.#invocations.count(id, message);
    session?.send(0, message);
  }

  #invoke(id: InvocationId): void {
    // Also without an exchange that waits: a PUT wakes its nodes while its bytes are still on their way.
    this.#begin(id, this.#wantedPurpose);
    this.#wantedPurpose = "warm-up";
  }

  #begin(id: InvocationId, purpose: Purpose): void {
    const now = this.#context.clock.now();
    this.activity.noteWanted(purpose, now);
    this.activity.noteSent(now);
    this.#invocations.begin(id, purpose, now);
    const cause = { purpose, breaks: this.activity.breaks };
    this.#context.invoke(this.node, id, cause, (outcome) => this.#onOutcome(id, outcome));
  }

  #onOutcome(id: InvocationId, outcome: InvokeOutcome): void {
    const [invocation, now] = [this.#invocations.get(id), this.#context.clock.now()];
    assert(invocation !== undefined, "an invocation ends once");
    this.#context.bill(invocation.purpose, outcome, now - invocation.begunAt);
    if (outcome.kind !== "unknown") this.activity.noteHeard(now);
    if (outcome.kind === "unknown") invocation.isUnknown = true;
    else this.#invocations.end(id);
    if (this.#side.isOf(id)) {
      const lost = this.#side.onOutcome(outcome.kind);
      if (lost !== null) this.#perform({ kind: "lost", instance: lost });
      return;
    }
    if (outcome.kind === "notStarted") {
      if (outcome.isThrottle) this.#context.counters.throttles++;
      return this.#step({ kind: "notStarted", invocation: id, retryAfterMs: outcome.retryAfterMs });
    }
    this.#step({ kind: outcome.kind, invocation: id });
  }
}
