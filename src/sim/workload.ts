// What callers of a simulated client do: one operation after the other on a few keys, by chance, with pauses.

import type { CodeSpec } from "../core/code.ts";
import type { Scenario } from "./scenario.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { Ended, SimClient } from "./sim-client.ts";

/** The name of a key. */
export const keyOf = (index: number): string => `key-${index}`;

/** Keeps a client busy with one operation after the other until `mayGoOn` says no. */
export function callAgainAndAgain(
  client: SimClient,
  scenario: Scenario,
  random: SeededRandom,
  mayGoOn: () => boolean,
): void {
  const next = (): void => {
    if (!mayGoOn()) return;
    callOnce(client, scenario, random, () =>
      client.machine.clock.setTimer(random.exponential(scenario.pauseMs), next),
    );
  };
  client.machine.clock.setTimer(random.exponential(scenario.pauseMs), next);
}

function callOnce(
  client: SimClient,
  scenario: Scenario,
  random: SeededRandom,
  ended: (how: Ended) => void,
): void {
  const key = keyOf(random.below(scenario.keys));
  const deadlineMs = random.pick([500, 5_000, 20_000, 20_000]);
  const choice = random.below(100);
  if (choice < 35) {
    const bytes = drawBytes(random);
    const stripeBytes = Math.max(1, Math.ceil(bytes / random.pick([1, 1, 1, 2, 3, 7])));
    const code: CodeSpec | null = random.chance(0.1)
      ? { dataChunks: 1 + random.below(3), parityChunks: random.below(3) }
      : null;
    const ttlMs = random.chance(0.15) && !scenario.isCalm ? 1 + random.below(10_000) : 0;
    client.put(
      key,
      bytes,
      stripeBytes,
      code,
      { ttlMs, ifAbsent: random.chance(0.1), deadlineMs },
      ended,
    );
  } else if (choice < 85) {
    client.get(key, drawRange(random), random.chance(0.2), deadlineMs, ended);
  } else if (choice < 93) client.stat(key, deadlineMs, ended);
  else client.remove(key, deadlineMs, ended);
}

/** Mostly small, since bytes cost real time and small objects meet the same transitions; a few of several parts. */
function drawBytes(random: SeededRandom): number {
  const choice = random.below(100);
  if (choice < 5) return random.below(3);
  if (choice < 60) return 1 + random.below(6_000);
  if (choice < 96) return 1 + random.below(100_000);
  return 1 + random.below(3_500_000);
}

function drawRange(random: SeededRandom): { readonly start: number; readonly end: number } {
  if (random.chance(0.8)) return { start: 0, end: Number.MAX_SAFE_INTEGER };
  const start = random.below(5_000);
  return { start, end: start + 1 + random.below(20_000) };
}
