// Composes a repairer of this process: it works for one proxy, in the same process or at an address.

import { Repairer } from "../client/repairer.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { SystemClock } from "../host/system-clock.ts";
import { SystemRandom } from "../host/system-random.ts";
import { unzeroed } from "../host/unzeroed.ts";
import { EMBEDDED, EmbeddedDialer, type EmbeddedProxy } from "./embedded-dialer.ts";

/** A repairer at work. */
export interface RunningRepairer {
  close(): Promise<void>;
}

/** Starts one beside its proxy; it ends with `close`, which comes before the proxy's. */
export function startRepairer(proxy: EmbeddedProxy): RunningRepairer {
  const clock = new SystemClock();
  const repairer = new Repairer({
    dialer: new EmbeddedDialer(proxy, clock),
    address: EMBEDDED,
    clock,
    random: new SystemRandom(),
    clientId: new NodeCrypto().randomBytes(16),
    allocate: unzeroed,
  });
  return { close: () => new Promise((resolve) => repairer.close(resolve)) };
}
