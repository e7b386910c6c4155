// What goes wrong in a simulated world and when: for each kind of fault that the scenario has a Poisson process of its
// own, until the storm is over. It breaks things; what must hold nevertheless, checkers.ts and history.ts say.

import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { Instance, Provider } from "./provider.ts";
import type { FaultKind, Scenario } from "./scenario.ts";
import type { SeededRandom } from "./seeded-random.ts";
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

/** Sets the storm off; nothing new happens after `untilMs`. */
export function scheduleFaults(
  scenario: Scenario,
  random: SeededRandom,
  targets: FaultTargets,
  untilMs: number,
): void {
  const { clock, provider } = targets;
  provider.trouble.lostAnswer = scenario.lostAnswer;
  provider.trouble.lostRequest = scenario.lostRequest;
  for (const [kind, meanMs] of scenario.faults) {
    const chance = random.fork(kind);
    const arm = (): void => {
      const at = clock.now() + chance.exponential(meanMs);
      if (at >= untilMs) return;
      clock.at(at, () => {
        targets.trace(`fault: ${kind}`);
        FAULTS[kind](targets, chance);
        arm();
      });
    };
    arm();
  }
}

/** The storm is over: whatever lasts by itself ends now. What was lost or broken stays so. */
export function stopFaults(targets: FaultTargets, machines: Iterable<Machine>): void {
  Object.assign(targets.provider.trouble, {
    throttledUntil: 0,
    slowStartUntil: 0,
    lostAnswer: 0,
    lostRequest: 0,
  });
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
  "restart proxy": (targets, random) => targets.restartProxy(true, random.chance(0.5)),
  "lose proxy state": (targets, random) => targets.restartProxy(false, random.chance(0.5)),
  "crash client": (targets, random) => targets.crashClient(random.pick(targets.clients())),
  "clock jump": (targets, random) => {
    targets.wallClock.jump(random.pick([-3_600_000, -5_000, 5_000, 3_600_000]));
  },
};

function anInstance({ provider }: FaultTargets, random: SeededRandom): Instance | null {
  return provider.instances.length === 0 ? null : random.pick(provider.instances);
}

function aConnection(targets: FaultTargets, random: SeededRandom): SimConnection | null {
  const connections = targets.network.connectionsOf(targets.proxyMachine());
  return connections.length === 0 ? null : random.pick(connections);
}
