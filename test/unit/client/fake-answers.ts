// What the fake proxy answers to requests without bodies.
// Listings come two rows a page, so that paging is seen.

import type { Message } from "../../../src/wire/messages.ts";
import type { FakeProxy } from "./fake-proxy.ts";

/** The answers to one request, or null when it is of another kind. */
export function answerOf(proxy: FakeProxy, message: Message): readonly Message[] | null {
  switch (message.kind) {
    case "stat": {
      const object = proxy.objects.get(message.key);
      if (object === undefined) return [{ kind: "miss", reason: "absent" }];
      return [{ kind: "found", ...object.described, firstStripe: 0, endStripe: 0 }];
    }
    case "get": {
      const { version, generation } = proxy.objects.get(message.key)?.described ?? {};
      const isKnown = message.knownVersion === version && message.knownGeneration === generation;
      return isKnown && version !== undefined ? [{ kind: "unchanged", version }] : null;
    }
    case "remove": {
      const known = proxy.outcomeOf(message.sequence);
      if (known !== undefined) return [known];
      const outcome: Message = { kind: "removed", existed: proxy.objects.delete(message.key) };
      proxy.keepOutcome(message.sequence, outcome);
      return [outcome];
    }
    case "clear": {
      const keys = [...proxy.objects.keys()].filter((key) => key.startsWith(message.prefix));
      for (const key of keys) proxy.objects.delete(key);
      return [{ kind: "cleared", count: keys.length }];
    }
    case "status":
      return [
        { kind: "statusReport", json: '{"objects":', isLast: false },
        { kind: "statusReport", json: `${proxy.objects.size}}`, isLast: true },
      ];
    case "list": {
      const { prefix, after } = message;
      const rows = [...proxy.objects]
        .filter(([key]) => key.startsWith(prefix) && key > after)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, { described }]) => {
          const { bytes, version, createdAtMs, expiresAtMs } = described;
          return { key, bytes, version, createdAtMs, expiresAtMs };
        });
      return [{ kind: "listing", objects: rows.slice(0, 2), isLast: rows.length <= 2 }];
    }
    default:
      return null;
  }
}
