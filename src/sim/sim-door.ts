// The door of a simulated client: where functions dial it on the simulated network, with a hub that takes chunks of
// any length directly.

import { DirectHub } from "../client/direct-hub.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimCrypto } from "./sim-crypto.ts";

/** Opens it; `opened` is called when functions may be told of it. */
export function openDoor(
  machine: Machine,
  network: Network,
  random: SeededRandom,
  opened: () => void,
): DirectHub {
  const address = `${machine.name.replace(" ", "-")}:7000`;
  return new DirectHub({
    clock: machine.clock,
    crypto: new SimCrypto(random.fork("door")),
    chunkBytesMin: 1,
    onOpened: opened,
    door: {
      open: (accept, told) => {
        network.listen(address, machine, accept);
        machine.clock.setTimer(0, () => told(address, ""));
      },
      close: (closed) => closed(),
    },
  });
}
