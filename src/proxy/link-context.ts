// What a link needs of the proxy around it: an interface only, so that links can be tested without one.

import type { InstanceId, InvocationId, NodeIndex } from "../core/ids.ts";
import type { Clock, InvokeOutcome, Purpose, Random } from "../core/ports.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { ProxyCounters } from "./counters.ts";
import type { NodeLink } from "./node-link.ts";

/** Why a node is invoked. */
export interface InvokeCause {
  readonly purpose: Purpose;
  /** How long it had nothing to do before it was wanted, the last few times, in ms; Infinity: since ever. Only within the call. */
  readonly breaks: readonly number[];
}

/** What a link needs of the proxy around it. */
export interface LinkContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: ProxyCounters;
  /** Through breaks up to this every node sits, in ms. */
  readonly breakMsMin: number;
  nextInvocation(): InvocationId;
  invoke(
    node: NodeIndex,
    invocation: InvocationId,
    cause: InvokeCause,
    done: (outcome: InvokeOutcome) => void,
  ): void;
  /** An invocation has ended and is to be paid for. */
  bill(purpose: Purpose, outcome: InvokeOutcome, elapsedMs: number): void;
  /** How many chunks that somebody may read an instance of the node holds. */
  chunksOf(node: NodeIndex, instance: InstanceId): number;
  /** Whom the next wake of the node is to find, after it was `before`. */
  primaryOf(node: NodeIndex, before: InstanceId | null): InstanceId | null;
  /** An instance has said hello, whether it will serve or not. */
  onSeen(node: NodeIndex, instance: InstanceId): void;
  /** Without a hello: it was awake for a backup, and took the primary's place. */
  onAwake(link: NodeLink, hello: MessageOf<"functionHello"> | null): void;
  onInventory(link: NodeLink, page: MessageOf<"inventory">): void;
  onLost(link: NodeLink, instance: InstanceId): void;
}
