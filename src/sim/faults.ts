// What goes wrong in a simulated world, kind by kind; when, the scenario says. It breaks things; what must hold
// nevertheless, checkers.ts and history.ts say.

import { SEARCH_TRIES_MAX } from "../proxy/link-state.ts";
import type { Coverage } from "./coverage.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { Instance, Provider } from "./provider.ts";
import type { FaultKind, Scenario } from "./scenario.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { SimClient } from "./sim-client.ts";
import type { SimConnection } from "./sim-connection.ts";
import type { Site } from "./site.ts";
import type { VirtualClock, VirtualWallClock } from "./virtual-clock.ts";

/** What faults act upon. */
export interface FaultTargets {
  readonly clock: VirtualClock;
  readonly wallClock: VirtualWallClock;
  readonly network: Network;
  readonly coverage: Coverage;
  readonly sites: readonly Site[];
  clients(): readonly SimClient[];
  crashClient(client: SimClient): void;
  /** False: one proxy alone has no ring. */
  changeRing(random: SeededRandom): boolean;
  /** By mistake a second proxy is started over a pool; false: it runs already, or the first does not. */
  startSecondProxy(site: Site, random: SeededRandom): boolean;
  trace(what: string): void;
}

/** Sets the storm off. */
export function scheduleFaults(scenario: Scenario, targets: FaultTargets): void {
  const { clock, sites } = targets;
  const { lostAnswer, lostRequest } = scenario;
  for (const { provider } of sites) Object.assign(provider.trouble, { lostAnswer, lostRequest });
  for (const { atMs, kind, salt } of scenario.faults) {
    clock.at(atMs, () => {
      targets.trace(`fault: ${kind}`);
      const random = new SeededRandom(salt);
      const site = random.pick(sites);
      if (FAULTS[kind]({ world: targets, clock, site, provider: site.provider }, random))
        targets.coverage.note(`fault: ${kind}`);
    });
  }
}

/**
 * The provider takes back what idles beyond so many instances of a node. A search meets three: with more, and routing that
 * keeps from the primary, it is taken for lost again and again although it lives, which costs misses and proves nothing.
 */
const INSTANCES_AFTER_STORM = SEARCH_TRIES_MAX + 1;

/** The storm is over: whatever lasts by itself ends now. What was lost or broken stays so. */
export function stopFaults(providers: readonly Provider[], machines: Iterable<Machine>): void {
  for (const provider of providers) {
    Object.assign(provider.trouble, {
      throttledUntil: 0,
      slowStartUntil: 0,
      secondUntil: 0,
      twiceUntil: 0,
      lostAnswer: 0,
      lostRequest: 0,
    });
    provider.scaleIn(INSTANCES_AFTER_STORM);
  }
  for (const machine of machines) {
    machine.isolatedUntil = 0;
    machine.slowUntil = 0;
  }
}

/** What one fault acts upon. */
interface Target {
  readonly world: FaultTargets;
  readonly clock: VirtualClock;
  readonly site: Site;
  readonly provider: Provider;
}

/** Breaks something; false: there was nothing to break. */
type Break = (target: Target, random: SeededRandom) => boolean;

const FAULTS: Readonly<Record<FaultKind, Break>> = {
  "reclaim one": (target, random) => {
    const instance = anInstance(target, random);
    if (instance !== null) target.provider.reclaim(instance, random.chance(0.5));
    return instance !== null;
  },
  "reclaim many": ({ provider }, random) => {
    const share = random.pick([0.3, 0.6, 1]);
    const before = provider.instances.length;
    for (const instance of [...provider.instances]) {
      if (random.chance(share)) provider.reclaim(instance, random.chance(0.5));
    }
    return provider.instances.length + 1 < before;
  },
  "slow start": ({ clock, provider }, random) => {
    provider.trouble.slowStartUntil = clock.now() + random.between(500, 5_000);
    return true;
  },
  "second instance": ({ clock, provider }, random) => {
    provider.trouble.secondUntil = clock.now() + random.between(100, 2_000);
    return true;
  },
  "run twice": ({ clock, provider }, random) => {
    provider.trouble.twiceUntil = clock.now() + random.between(100, 1_000);
    return true;
  },
  "stop function": (target, random) => {
    const busy = target.provider.instances.filter(({ running }) => running !== null);
    if (busy.length === 0) return false;
    const instance = random.pick(busy);
    const { running } = instance;
    // One that has been invoked anew by then was thawed for that, and one that returned is frozen for good reason.
    const mayThaw = () => instance.running === running;
    return stop(target, instance.machine, random.exponential(3_000), mayThaw);
  },
  "stop proxy": (target, random) =>
    stop(target, target.site.machine, random.exponential(random.pick([1_500, 1_500, 8_000]))),
  "stop client": (target, random) =>
    stop(target, random.pick(target.world.clients()).machine, random.exponential(3_000)),
  "break connection": (target, random) => {
    const connection = aConnection(target, random);
    if (connection !== null)
      target.world.network.break(connection, random.pick(["both", "near", "far"] as const));
    return connection !== null;
  },
  "half-open connection": (target, random) => {
    const connection = aConnection(target, random);
    if (connection !== null) target.world.network.break(connection, "silent");
    return connection !== null;
  },
  "isolate function": (target, random) =>
    isolate(target, anInstance(target, random)?.machine ?? null, random),
  "isolate client": (target, random) =>
    isolate(target, random.pick(target.world.clients()).machine, random),
  "isolate proxy": (target, random) => isolate(target, target.site.machine, random),
  "slow function": (target, random) => {
    const instance = anInstance(target, random);
    if (instance === null) return false;
    instance.machine.slowness = random.pick([10, 100, 1_000]);
    instance.machine.slowUntil = target.clock.now() + random.exponential(4_000);
    return true;
  },
  "corrupt chunk": (target, random) => {
    const instance = anInstance(target, random);
    const chunks =
      instance === null
        ? []
        : [...instance.core.store.chunks()].filter(({ bytes }) => bytes.length > 0);
    if (instance === null || chunks.length === 0) return false;
    const { bytes } = random.pick(chunks);
    instance.spoilt.add(bytes);
    const byte = bytes.from(random.below(bytes.length), 1);
    byte[0] = (byte[0] ?? 0) ^ (1 << random.below(8));
    return true;
  },
  throttle: ({ clock, provider }, random) => {
    provider.trouble.throttledUntil = clock.now() + random.exponential(3_000);
    return true;
  },
  "throttle for a minute": ({ clock, provider }) => {
    provider.trouble.throttledUntil = clock.now() + 60_000;
    return true;
  },
  "restart proxy": ({ site }, random) => site.restart(true, random.chance(0.5)),
  "lose proxy state": ({ site }, random) => site.restart(false, random.chance(0.5)),
  "crash client": (target, random) => {
    target.world.crashClient(random.pick(target.world.clients()));
    return true;
  },
  "clock jump": (target, random) => {
    target.world.wallClock.jump(random.pick([-3_600_000, -5_000, 5_000, 3_600_000]));
    return true;
  },
  "ring change": (target, random) => target.world.changeRing(random),
  "second proxy": (target, random) => target.world.startSecondProxy(target.site, random),
};

/** As SIGSTOP and, after a while, SIGCONT: the program sees nothing, its connections stay. */
function stop(
  { clock }: Target,
  machine: Machine | null,
  forMs: number,
  mayThaw: () => boolean = () => true,
): boolean {
  if (machine === null || machine.isFrozen || machine.isDead) return false;
  machine.freeze();
  clock.setTimer(forMs, () => {
    if (mayThaw()) machine.thaw(() => {});
  });
  return true;
}

function isolate({ clock }: Target, machine: Machine | null, random: SeededRandom): boolean {
  if (machine !== null) machine.isolatedUntil = clock.now() + random.exponential(4_000);
  return machine !== null;
}

function anInstance({ provider }: Target, random: SeededRandom): Instance | null {
  return provider.instances.length === 0 ? null : random.pick(provider.instances);
}

function aConnection({ world, site }: Target, random: SeededRandom): SimConnection | null {
  const connections = site.machine === null ? [] : world.network.connectionsOf(site.machine);
  return connections.length === 0 ? null : random.pick(connections);
}
