// The Invokes of a node as its link keeps them from the call until the outcome: who spoke for each, over which connection,
// and what it is accounted to. It decides nothing.

import type { InstanceId, InvocationId } from "../core/ids.ts";
import type { Purpose } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import { MESSAGES, type Message, type MessageOf } from "../wire/messages.ts";
import type { FunctionSession } from "./function-session.ts";

/** An Invoke that has been begun and whose outcome is still to come. */
interface Invocation {
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

/** All of one link, by number. */
export class Invocations {
  readonly #all = new Roster<InvocationId, Invocation>();

  get size(): number {
    return this.#all.size;
  }

  has(id: InvocationId): boolean {
    return this.#all.has(id);
  }

  get(id: InvocationId): Invocation | undefined {
    return this.#all.get(id);
  }

  /** When it was begun; `now` of one that is not known, which then counts as the youngest there can be. */
  begunAt(id: InvocationId, now: number): number {
    return this.#all.get(id)?.begunAt ?? now;
  }

  begin(id: InvocationId, purpose: Purpose, begunAt: number): void {
    this.#all.set(id, {
      begunAt,
      purpose,
      session: null,
      instance: null,
      hello: null,
      requestsSent: 0,
      isUnknown: false,
    });
  }

  /** The connection over which somebody speaks for it now. */
  sessionOf(id: InvocationId): FunctionSession | null {
    return this.#all.get(id)?.session ?? null;
  }

  /** A message is about to be sent within it. */
  count(id: InvocationId, message: Message): void {
    const invocation = this.#all.get(id);
    if (invocation !== undefined && "isRequest" in MESSAGES[message.kind])
      invocation.requestsSent++;
  }

  end(id: InvocationId): void {
    this.#all.delete(id);
  }

  /** One that this instance serves, its outcome still to come, although nobody speaks of it any more. */
  unheardOf(
    instance: InstanceId | null,
    isSpokenOf: (id: InvocationId) => boolean,
  ): InvocationId | null {
    for (const [id, each] of this.#all) {
      const isHis = instance !== null && each.instance === instance;
      if (isHis && !each.isUnknown && !isSpokenOf(id)) return id;
    }
    return null;
  }

  /** Those of unknown fate that nobody speaks of any more are over. */
  forgetUnknown(isSpokenOf: (id: InvocationId) => boolean): void {
    for (const [id, { isUnknown }] of this.#all)
      if (isUnknown && !isSpokenOf(id)) this.#all.delete(id);
  }
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
