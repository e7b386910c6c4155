// After the storm: a key must take a PUT and give it back. It writes and reads; whether that was right, others judge.

import type { SimClient } from "./sim-client.ts";

/** What one PUT or GET may take. */
export const PROBE_DEADLINE_MS = 60_000;
const PROBE_BYTES = 5_000;
/** A loss of what was stored before may come to light now, and take one attempt with it. */
const ATTEMPTS_MAX = 3;
/** Every attempt is a PUT and a GET. */
export const PROBE_ROUNDS_MAX = 2 * ATTEMPTS_MAX;

/** Calls back with null when the key works, or with what happened instead. */
export function probeKey(
  client: SimClient,
  key: string,
  ended: (fault: string | null) => void,
  attempt = 1,
): void {
  const options = { ttlMs: 0, ifAbsent: false, deadlineMs: PROBE_DEADLINE_MS };
  const range = { start: 0, end: Number.MAX_SAFE_INTEGER };
  client.put(key, PROBE_BYTES, PROBE_BYTES, null, options, (stored) => {
    client.get(key, range, false, PROBE_DEADLINE_MS, (read) => {
      if (stored === "stored" && read === "hit") ended(null);
      else if (attempt < ATTEMPTS_MAX) probeKey(client, key, ended, attempt + 1);
      else ended(`a PUT of ${key} ended as ${stored}, its GET as ${read}`);
    });
  });
}
