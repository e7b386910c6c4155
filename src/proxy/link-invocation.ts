// An Invoke of a node as its link keeps it from the call until its outcome: who spoke for it, over which connection, and
// what it is accounted to. It decides nothing.

import type { InstanceId } from "../core/ids.ts";
import type { Purpose } from "../core/ports.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { FunctionSession } from "./function-session.ts";

/** An Invoke that has been begun and whose outcome is still to come. */
export interface Invocation {
  readonly begunAt: number;
  purpose: Purpose;
  session: FunctionSession | null;
  /** Who has said hello for it, and what it said last. */
  instance: InstanceId | null;
  hello: MessageOf<"functionHello"> | null;
  requestsSent: number;
  /** The call has ended without an outcome; the instance may still speak for it. */
  isUnknown: boolean;
}

const PURPOSE_RANK: Readonly<Record<Purpose, number>> = {
  serve: 0,
  recover: 1,
  repair: 2,
  backup: 3,
  "warm-up": 4,
};

/** Of two purposes the one that an invocation made for both is accounted to. */
export function moreUrgent(a: Purpose, b: Purpose): Purpose {
  return PURPOSE_RANK[a] < PURPOSE_RANK[b] ? a : b;
}
