// Claims about a link at work: fences, proofs, queues and endings, with functions that say what the test says.
// Time stands still but where a test lets it pass.

import assert from "node:assert/strict";
import { test } from "node:test";
import { instanceId } from "../../../src/core/ids.ts";
import { type HelloClaims, LinkWorld, RecordedExchange } from "./scripted-function.ts";

const PRIMARY = instanceId("aa".repeat(16));
const STRANGER = "bb".repeat(16);
const returned = { kind: "returned", payload: "{}", report: null } as const;

test("link: exchanges wait for the hello, run in order, and get their answers by channel", () => {
  const world = new LinkWorld(PRIMARY);
  const exchanges = [world.open(), world.open()];
  assert.equal(world.invokes.length, 1, "one wake for both");
  assert.deepEqual(
    exchanges.map(({ log }) => log),
    [[], []],
  );
  const instance = world.dial();
  world.hello(instance, { invocation: 1 });
  assert.deepEqual(
    exchanges.map(({ log }) => log),
    [["start"], ["start"]],
  );
  assert.equal(instance.all("functionWelcome").length, 1);
  instance.say({ kind: "chunkAbsent" }, 1, { channel: exchanges[1]!.channel! });
  world.clock.advance(0);
  assert.deepEqual(
    exchanges.map(({ log }) => log),
    [["start"], ["start", "chunkAbsent"]],
  );
});

test("link: frames of another invocation or term are dropped and counted", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const instance = world.dial();
  world.hello(instance, { invocation: 1 });
  const channel = exchange.channel!;
  instance.say({ kind: "chunkAbsent" }, 0, { channel });
  instance.say({ kind: "chunkAbsent" }, 2, { channel });
  instance.say({ kind: "chunkAbsent" }, 1, { channel, term: 3 });
  instance.say({ kind: "bye", requestsSeen: 9, isFinal: true }, 2);
  world.clock.advance(0);
  assert.deepEqual(exchange.log, ["start"]);
  assert.equal(world.counters.staleFrames, 4);
  assert.equal(world.link.state.kind, "awake");
});

test("link: a forged hello is refused and counted, and the live link does not notice", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const live = world.dial();
  world.hello(live, { invocation: 1 });
  const forgeries: readonly HelloClaims[] = [
    { invocation: 1, keyOfNode: 1 },
    { invocation: 1, challenge: live.challenge },
    { invocation: 1, node: 7 },
  ];
  for (const claims of forgeries) {
    const forger = world.dial();
    world.hello(forger, claims);
    assert.equal(forger.all("refused").length, 1);
    assert.notEqual(forger.closeReason, null);
    assert.equal(forger.all("functionWelcome").length, 0);
  }
  assert.equal(world.counters.forgeries, forgeries.length);
  live.say({ kind: "chunkAbsent" }, 1, { channel: exchange.channel! });
  world.clock.advance(0);
  assert.deepEqual(exchange.log, ["start", "chunkAbsent"]);
  assert.equal(live.closeReason, null);
});

test("link: a hello for an invocation that was not begun is ignored, and its connection ends by time", () => {
  const world = new LinkWorld(PRIMARY);
  world.open();
  const early = world.dial();
  world.hello(early, { invocation: 5 });
  assert.equal(world.link.state.kind, "waking");
  assert.equal(world.counters.staleFrames, 1);
  world.clock.advance(10_000);
  assert.equal(early.closeReason, "closed by the other side");
});

test("link: the second instance to speak for one invocation is sent away", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const first = world.dial();
  world.hello(first, { invocation: 1 });
  const second = world.dial();
  world.hello(second, { invocation: 1, instance: STRANGER });
  assert.notEqual(second.closeReason, null);
  first.say({ kind: "chunkAbsent" }, 1, { channel: exchange.channel! });
  world.clock.advance(0);
  assert.deepEqual(exchange.log, ["start", "chunkAbsent"]);
});

test("link: a bye that crossed with a request is not answered; the same count is", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const instance = world.dial();
  world.hello(instance, { invocation: 1 });
  instance.say({ kind: "bye", requestsSeen: 0, isFinal: false }, 1);
  world.clock.advance(0);
  assert.equal(instance.all("byeOk").length, 0);
  instance.say({ kind: "chunkAbsent" }, 1, { channel: exchange.channel! });
  world.link.finish(exchange.channel!);
  instance.say({ kind: "bye", requestsSeen: 1, isFinal: false }, 1);
  world.clock.advance(0);
  assert.equal(instance.all("byeOk").length, 1);
  const late = world.open();
  world.clock.advance(0);
  assert.deepEqual(late.log, [], "nothing is sent after byeOk");
  assert.equal(world.invokes.length, 1);
  world.invokes[0]!.end(returned);
  world.clock.advance(0);
  assert.equal(world.invokes.length, 2, "the work that came meanwhile wakes it again");
});

test("link: the final bye is always answered, and what was under way is interrupted", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const instance = world.dial();
  world.hello(instance, { invocation: 1 });
  instance.say({ kind: "bye", requestsSeen: 0, isFinal: true }, 1);
  world.clock.advance(0);
  assert.equal(instance.all("byeOk").length, 1);
  assert.deepEqual(exchange.log, ["start", "interrupted"]);
});

test("link: a lost connection interrupts, and the re-dial goes on in the same invocation", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const instance = world.dial();
  world.hello(instance, { invocation: 1 });
  instance.connection.close("reset");
  world.clock.advance(0);
  assert.equal(world.link.state.kind, "severed");
  assert.deepEqual(exchange.log, ["start", "interrupted"]);
  const again = world.open();
  world.hello(world.dial(), { invocation: 1 });
  assert.deepEqual(again.log, ["start"]);
  assert.equal(world.invokes.length, 1);
});

test("link: a re-dial that overtakes the end of the old connection takes its place", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const old = world.dial();
  world.hello(old, { invocation: 1 });
  const fresh = world.dial();
  world.hello(fresh, { invocation: 1 });
  world.clock.advance(0);
  assert.notEqual(old.closeReason, null);
  assert.deepEqual(exchange.log, ["start", "interrupted"]);
  assert.equal(world.link.state.kind, "awake");
  world.open();
  world.clock.advance(0);
  assert.equal(fresh.all("chunkGet").length, 1);
});

test("link: giving up never calls back within the call, nor after a close", () => {
  const world = new LinkWorld(PRIMARY);
  world.open();
  world.invokes[0]!.end({ kind: "unknown", message: "" });
  world.clock.advance(0);
  assert.equal(world.link.state.kind, "detached");
  const kept = world.open();
  const closed = world.open();
  assert.deepEqual(kept.log, [], "not within the call");
  world.link.close(closed, null);
  world.clock.advance(0);
  assert.deepEqual([kept.log, closed.log], [["unreachable"], []]);
});

test("link: an exchange that is closed while others end is not ended too", () => {
  const world = new LinkWorld(PRIMARY);
  const exchanges = [world.open(), world.open()];
  const instance = world.dial();
  world.hello(instance, { invocation: 1 });
  exchanges[0]!.onEnded = () => world.link.close(exchanges[1]!, exchanges[1]!.channel);
  instance.connection.close("reset");
  world.clock.advance(0);
  assert.deepEqual(
    exchanges.map(({ log }) => log),
    [["start", "interrupted"], ["start"]],
  );
});

test("link: a crash while awake is proof of loss, and waiting work wakes the node at once", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  exchange.onEnded = () => world.link.open(new RecordedExchange(world.link));
  world.hello(world.dial(), { invocation: 1 });
  world.invokes[0]!.end({ kind: "crashed", errorType: "x", message: "", report: null });
  world.clock.advance(0);
  assert.deepEqual(exchange.log, ["start", "interrupted"]);
  assert.deepEqual(world.lost, [PRIMARY]);
  assert.equal(world.link.primary, null);
  assert.equal(world.invokes.length, 2);
});

test("link: a stranger is held while the primary is looked for, and let go when it is found", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  const stranger = world.dial();
  world.hello(stranger, { invocation: 1, instance: STRANGER });
  assert.equal(world.invokes.length, 2);
  assert.deepEqual(exchange.log, ["late"]);
  assert.deepEqual(
    stranger.all("hold").map(({ forMs }) => forMs),
    [15_000],
  );
  world.hello(world.dial(), { invocation: 2 });
  assert.deepEqual(exchange.log, ["late", "start"]);
  assert.deepEqual(
    stranger.all("hold").map(({ forMs }) => forMs),
    [15_000, 0],
  );
  assert.deepEqual(world.lost, []);
});

test("link: a stranger that was let go need not wait for the answer to its bye", () => {
  const world = new LinkWorld(PRIMARY);
  world.open();
  const stranger = world.dial();
  world.hello(stranger, { invocation: 1, instance: STRANGER });
  world.hello(world.dial(), { invocation: 2 });
  stranger.say({ kind: "bye", requestsSeen: 2, isFinal: false }, 1);
  world.clock.advance(0);
  assert.equal(stranger.all("byeOk").length, 1);
  assert.equal(world.link.state.kind, "awake");
});

test("link: whoever waits is told when the wake takes longer than a wake", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  world.hello(world.dial(), { invocation: 1, instance: STRANGER });
  assert.deepEqual(exchange.log, ["late"]);
  world.hello(world.dial(), { invocation: 2 });
  assert.deepEqual(exchange.log, ["late", "start"]);
});

test("link: when the primary holds nothing any more, whoever holds most is looked for", () => {
  const world = new LinkWorld(PRIMARY);
  world.chunksOf.clear();
  world.richest = instanceId(STRANGER);
  world.chunksOf.set(STRANGER, 1);
  world.open();
  world.hello(world.dial(), { invocation: 1 });
  assert.equal(world.link.state.kind, "searching");
  world.hello(world.dial(), { invocation: 2, instance: STRANGER });
  assert.equal(world.link.awakeInstance, STRANGER);
});

test("link: when the search cannot be made the stranger serves, is looked at, and nothing is lost", () => {
  const world = new LinkWorld(PRIMARY);
  const exchange = world.open();
  world.hello(world.dial(), { invocation: 1, instance: STRANGER });
  world.invokes[1]!.end({
    kind: "notStarted",
    reason: "429",
    isThrottle: true,
    retryAfterMs: null,
  });
  world.clock.advance(0);
  assert.deepEqual(exchange.log, ["late", "start"]);
  assert.deepEqual(world.awake, [STRANGER]);
  assert.deepEqual(world.lost, []);
  assert.deepEqual([world.link.primary, world.link.awakeInstance], [PRIMARY, STRANGER]);
});

test("link: a wake is accounted to what it was for, and the next one not to the last one's purpose", () => {
  const world = new LinkWorld(PRIMARY);
  world.link.wake("serve");
  world.hello(world.dial(), { invocation: 1 });
  world.open();
  world.invokes[0]!.end(returned);
  world.clock.advance(0);
  world.link.wake("warm-up");
  assert.deepEqual(
    world.invokes.map(({ purpose }) => purpose),
    ["serve", "warm-up"],
  );
});

test("link: each Invoke says how long the node had nothing to do, also where it sat through that awake", () => {
  const world = new LinkWorld(PRIMARY);
  const work = (beforeMs: number, takesMs: number): void => {
    world.clock.advance(beforeMs);
    const exchange = world.open();
    if (!world.link.isAwake) world.hello(world.dial(), { invocation: world.invokes.length });
    world.clock.advance(takesMs);
    world.link.finish(exchange.channel!);
  };
  const leave = (): void => {
    world.invokes.at(-1)!.end(returned);
    world.clock.advance(0);
  };
  work(100, 5);
  work(40, 5);
  // Two that overlap have one break before them, and none between them.
  world.clock.advance(30);
  const first = world.open();
  work(5, 5);
  world.link.finish(first.channel!);
  leave();
  work(3_000, 5);
  leave();
  work(200, 5);
  assert.deepEqual(
    world.invokes.map(({ breaks }) => breaks),
    [
      [Number.POSITIVE_INFINITY],
      [Number.POSITIVE_INFINITY, 40, 30, 3_000],
      [Number.POSITIVE_INFINITY, 40, 30, 3_000, 200],
    ],
  );
});

test("link: once stopped, a connection that ends leaves no wait behind, and nothing is invoked any more", () => {
  const world = new LinkWorld(PRIMARY);
  world.open();
  const instance = world.dial();
  world.hello(instance, { invocation: 1 });
  world.link.stop();
  instance.connection.close("the proxy is closing");
  world.open();
  world.clock.advance(200_000);
  assert.equal(world.link.state.kind, "awake", "as it was");
  assert.equal(world.invokes.length, 1);
});
