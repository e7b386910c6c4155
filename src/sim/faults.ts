// What goes wrong in a simulated world, kind by kind; when, the scenario says. It breaks things; what must hold
// nevertheless, checkers.ts and history.ts say.

import { SEARCH_TRIES_MAX } from "../proxy/link-state.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { Instance, Provider } from "./provider.ts";
import type { FaultKind, Scenario } from "./scenario.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { SimClient } from "./sim-client.ts";
import type { SimConnection } from "./sim-connection.ts";
import type { VirtualClock, VirtualWallClock } from "./virtual-clock.ts";

/** What faults act upon. */
export interface FaultTargets {
  readonly clock: VirtualClock;
  readonly wallClock: VirtualWallClock;
  readonly network: Network;
  readonly provider: Provider;
  clients(): readonly SimClient[];
  proxyMachine(): Machine;
  /** The proxy's process ends now and another starts a little later, with the durable table or without. */
  restartProxy(keepsState: boolean, isSilent: boolean): void;
  crashClient(client: SimClient): void;
  trace(what: string): void;
}

/** Sets the storm off. */
export function scheduleFaults(scenario: Scenario, targets: FaultTargets): void {
  const { clock, provider } = targets;
  provider.trouble.lostAnswer = scenario.lostAnswer;
  provider.trouble.lostRequest = scenario.lostRequest;
  for (const { atMs, kind, salt } of scenario.faults) {
    clock.at(atMs, () => {
      targets.trace(`fault: ${kind}`);
      FAULTS[kind](targets, new SeededRandom(salt));
    });
  }
}

/**
 * The provider takes back what idles beyond so many instances of a node. A search meets three: with more, and routing that
 * keeps from the primary, it is taken for lost again and again although it lives, which costs misses and proves nothing.
 */
const INSTANCES_AFTER_STORM = SEARCH_TRIES_MAX + 1;

/** The storm is over: whatever lasts by itself ends now. What was lost or broken stays so. */
export function stopFaults(targets: FaultTargets, machines: Iterable<Machine>): void {
  Object.assign(targets.provider.trouble, {
    throttledUntil: 0,
    slowStartUntil: 0,
    secondUntil: 0,
    twiceUntil: 0,
    lostAnswer: 0,
    lostRequest: 0,
  });
  targets.provider.scaleIn(INSTANCES_AFTER_STORM);
  for (const machine of machines) {
    machine.isolatedUntil = 0;
    machine.slowUntil = 0;
  }
}

const FAULTS: Readonly<Record<FaultKind, (targets: FaultTargets, random: SeededRandom) => void>> = {
  "reclaim one": (targets, random) => {
    const instance = anInstance(targets, random);
    if (instance !== null) targets.provider.reclaim(instance, random.chance(0.5));
  },
  "reclaim many": ({ provider }, random) => {
    const share = random.pick([0.3, 0.6, 1]);
    for (const instance of [...provider.instances]) {
      if (random.chance(share)) provider.reclaim(instance, random.chance(0.5));
    }
  },
  "slow start": ({ clock, provider }, random) => {
    provider.trouble.slowStartUntil = clock.now() + random.between(500, 5_000);
  },
  "second instance": ({ clock, provider }, random) => {
    provider.trouble.secondUntil = clock.now() + random.between(100, 2_000);
  },
  "run twice": ({ clock, provider }, random) => {
    provider.trouble.twiceUntil = clock.now() + random.between(100, 1_000);
  },
  "stop function": (targets, random) => {
    const busy = targets.provider.instances.filter(({ running }) => running !== null);
    if (busy.length === 0) return;
    const instance = random.pick(busy);
    const { running } = instance;
    // One that has been invoked anew by then was thawed for that, and one that returned is frozen for good reason.
    stop(targets, instance.machine, random.exponential(3_000), () => instance.running === running);
  },
  "stop proxy": (targets, random) =>
    stop(targets, targets.proxyMachine(), random.exponential(1_500)),
  "stop client": (targets, random) =>
    stop(targets, random.pick(targets.clients()).machine, random.exponential(3_000)),
  "break connection": (targets, random) => {
    const connection = aConnection(targets, random);
    if (connection !== null)
      targets.network.break(connection, random.pick(["both", "near", "far"] as const));
  },
  "half-open connection": (targets, random) => {
    const connection = aConnection(targets, random);
    if (connection !== null) targets.network.break(connection, "silent");
  },
  "isolate function": (targets, random) => {
    const instance = anInstance(targets, random);
    if (instance !== null)
      instance.machine.isolatedUntil = targets.clock.now() + random.exponential(4_000);
  },
  "isolate client": (targets, random) => {
    random.pick(targets.clients()).machine.isolatedUntil =
      targets.clock.now() + random.exponential(4_000);
  },
  "slow function": (targets, random) => {
    const instance = anInstance(targets, random);
    if (instance === null) return;
    instance.machine.slowness = random.pick([10, 100, 1_000]);
    instance.machine.slowUntil = targets.clock.now() + random.exponential(4_000);
  },
  "corrupt chunk": (targets, random) => {
    const instance = anInstance(targets, random);
    const chunks =
      instance === null
        ? []
        : [...instance.core.store.chunks()].filter(({ bytes }) => bytes.length > 0);
    if (chunks.length === 0) return;
    const { bytes } = random.pick(chunks);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  },
  throttle: ({ clock, provider }, random) => {
    provider.trouble.throttledUntil = clock.now() + random.exponential(3_000);
  },
  "throttle for a minute": ({ clock, provider }) => {
    provider.trouble.throttledUntil = clock.now() + 60_000;
  },
  "restart proxy": (targets, random) => targets.restartProxy(true, random.chance(0.5)),
  "lose proxy state": (targets, random) => targets.restartProxy(false, random.chance(0.5)),
  "crash client": (targets, random) => targets.crashClient(random.pick(targets.clients())),
  "clock jump": (targets, random) => {
    targets.wallClock.jump(random.pick([-3_600_000, -5_000, 5_000, 3_600_000]));
  },
};

/** As SIGSTOP and, after a while, SIGCONT: the program sees nothing, its connections stay. */
function stop(
  { clock }: FaultTargets,
  machine: Machine,
  forMs: number,
  mayThaw: () => boolean = () => true,
): void {
  if (machine.isFrozen || machine.isDead) return;
  machine.freeze();
  clock.setTimer(forMs, () => {
    if (mayThaw()) machine.thaw(() => {});
  });
}

function anInstance({ provider }: FaultTargets, random: SeededRandom): Instance | null {
  return provider.instances.length === 0 ? null : random.pick(provider.instances);
}

function aConnection(targets: FaultTargets, random: SeededRandom): SimConnection | null {
  const connections = targets.network.connectionsOf(targets.proxyMachine());
  return connections.length === 0 ? null : random.pick(connections);
}
