// What the service has done so far, in total and by function. Plain numbers; nothing is ever reset.

/** Numbers of one function. */
export interface FunctionCounters {
  invocations: number;
  coldStarts: number;
  billedMs: number;
  /** Billed time times memory. */
  gbSeconds: number;
}

/** Numbers of the service. */
export interface Counters {
  invocations: number;
  instancesStarted: number;
  /** Idle instances taken by the reclaim model or by hand. */
  reclaims: number;
  throttles: number;
  timeouts: number;
  /** Processes that ended in the middle of an invocation, other than by a time-out. */
  crashes: number;
  functionErrors: number;
  recursionsStopped: number;
  billedMs: number;
  gbSeconds: number;
  readonly functions: Record<string, FunctionCounters>;
}

/** All zero. */
export function createCounters(): Counters {
  return {
    invocations: 0,
    instancesStarted: 0,
    reclaims: 0,
    throttles: 0,
    timeouts: 0,
    crashes: 0,
    functionErrors: 0,
    recursionsStopped: 0,
    billedMs: 0,
    gbSeconds: 0,
    functions: {},
  };
}

/** Adds one ended invocation. */
export function countInvocation(
  counters: Counters,
  functionName: string,
  run: { readonly billedMs: number; readonly memoryMb: number; readonly isCold: boolean },
): void {
  const none = { invocations: 0, coldStarts: 0, billedMs: 0, gbSeconds: 0 };
  const own = counters.functions[functionName] ?? none;
  counters.functions[functionName] = own;
  const gbSeconds = (run.billedMs / 1000) * (run.memoryMb / 1024);
  counters.invocations += 1;
  counters.billedMs += run.billedMs;
  counters.gbSeconds += gbSeconds;
  own.invocations += 1;
  own.coldStarts += run.isCold ? 1 : 0;
  own.billedMs += run.billedMs;
  own.gbSeconds += gbSeconds;
}
