// Asks another proxy which document it works by: a client's hello and its welcome, one connection for each question.
// It has one question at a time under way to each address, and says nothing of keys.

import type { Crypto } from "../core/ports.ts";
import type { Dialer } from "../wire/connection.ts";

/** Dialling and the answer together may take this long. */
const ASK_MS_MAX = 1_000;

/** Makes the port `askEpoch` of a ring duty. */
export function ringPeers(
  dialer: Dialer,
  crypto: Pick<Crypto, "randomBytes">,
  setTimer: (delayMs: number, fire: () => void) => { cancel(): void },
  token = "",
): (address: string, epoch: number, answer: (epoch: number | null) => void) => void {
  const asking = new Set<string>();
  return (address, epoch, answer) => {
    if (asking.has(address)) return;
    asking.add(address);
    dialer.dial(address, ASK_MS_MAX, (connection) => {
      let isAnswered = false;
      const end = (theirs: number | null): void => {
        if (isAnswered) return;
        isAnswered = true;
        asking.delete(address);
        timer?.cancel();
        connection?.close("answered");
        answer(theirs);
      };
      const timer = connection === null ? null : setTimer(ASK_MS_MAX, () => end(null));
      if (connection === null) return end(null);
      connection.setHandler({
        bodyPlace: () => null,
        onMessage: (_envelope, message) => {
          if (message.kind === "welcome") end(message.epoch);
        },
        onClose: () => end(null),
      });
      const envelope = { channel: 0, term: 0, invocation: 0 };
      const clientId = crypto.randomBytes(16);
      const hello = {
        kind: "hello",
        clientId,
        token,
        epoch,
        agent: "infinicache-proxy",
      } as const;
      connection.send(envelope, hello);
    });
  };
}
