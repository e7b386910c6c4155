// The repairer of a simulated world: the production one, on a machine of its own, as one may run. It has to find the
// proxy again after a restart.

import { Repairer } from "../client/repairer.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimCrypto } from "./sim-crypto.ts";

/** Starts one that works for the proxy at the address. */
export function startSimRepairer(
  machine: Machine,
  network: Network,
  address: string,
  random: SeededRandom,
): Repairer {
  return new Repairer({
    dialer: network.dialerOf(machine),
    address,
    clock: machine.clock,
    random: random.timed("choices", machine.clock),
    clientId: new SimCrypto(random).randomBytes(16),
  });
}
