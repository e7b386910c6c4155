// The function as the provider runs it: reads the environment once, puts the runtime together, and exports
// the handler. Everything it needs is bundled into one file. It never throws (that would reset the environment
// and lose the store) and never logs by invocation (log lines cost more than serving).

import { fromHex, type InvokeAnswer } from "../core/invocation.ts";
import { optimizeEarly } from "../host/early-tiering.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { keepHeapSmall } from "../host/small-heap.ts";
import { SystemClock } from "../host/system-clock.ts";
import { TcpDialer } from "../host/tcp-dialer.ts";
import { chunkBudget } from "../runtime/memory.ts";
import { RuntimeCore, type RuntimeSettings } from "../runtime/runtime-core.ts";

const MIB = 1_024 * 1_024;

/** What of the provider's context the handler uses. */
export interface HandlerContext {
  getRemainingTimeInMillis(): number;
}

/** The environment, or what is wrong with it. */
function readSettings(env: {
  readonly [name: string]: string | undefined;
}): RuntimeSettings | string {
  const wrong: string[] = [];
  const number = (name: string, text: string | undefined, max: number): number => {
    const value = text === undefined || text === "" ? Number.NaN : Number(text);
    const isGood = Number.isInteger(value) && value >= 0 && value <= max;
    if (!isGood) wrong.push(`${name} must be a whole number from 0 to ${max}`);
    return value;
  };
  const pool = env["INFINICACHE_POOL"] ?? "";
  if (pool === "") wrong.push("INFINICACHE_POOL must name the pool");
  const node = number("INFINICACHE_NODE", env["INFINICACHE_NODE"], 65_535);
  const nodeKey = fromHex(env["INFINICACHE_NODE_KEY"] ?? "");
  // The key itself never stands in a message.
  if (nodeKey?.length !== 32) wrong.push("INFINICACHE_NODE_KEY must be 64 hexadecimal digits");
  const memoryName = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
  const memoryMb = number(memoryName, env[memoryName], 65_536);
  const budgetText = env["INFINICACHE_CHUNK_BUDGET_MB"];
  const budgetBytes =
    budgetText === undefined
      ? chunkBudget(memoryMb)
      : number("INFINICACHE_CHUNK_BUDGET_MB", budgetText, 65_536) * MIB;
  if (wrong.length > 0 || nodeKey === null) return wrong.join("; ");
  return { pool, node, nodeKey, memoryMb, budgetBytes };
}

function createRuntime(): RuntimeCore | string {
  const settings = readSettings(process.env);
  if (typeof settings === "string") return settings;
  const forwarder = process.env["INFINICACHE_LOCAL_FORWARDER"];
  const way = forwarder === undefined ? {} : { forwarder };
  return new RuntimeCore(settings, {
    clock: new SystemClock(),
    crypto: new NodeCrypto(),
    dialer: new TcpDialer(way),
    clientDialer: new TcpDialer({ ...way, peer: "client" }),
  });
}

keepHeapSmall();
optimizeEarly();
const runtime = createRuntime();
if (typeof runtime === "string") console.error(`infinicache: ${runtime}`);

/** Serves one invocation; `event` is the parsed payload. */
export function handler(event: unknown, context: HandlerContext): Promise<InvokeAnswer> {
  return new Promise((answer) => {
    if (typeof runtime === "string") {
      answer({
        status: "refused",
        instance: "",
        reason: `the function is misconfigured: ${runtime}`,
      });
      return;
    }
    try {
      runtime.invoke(event, context.getRemainingTimeInMillis(), answer);
    } catch (error) {
      const reason = error instanceof Error ? error.message : "unknown";
      answer({
        status: "refused",
        instance: runtime.instance,
        reason: `a fault of ours: ${reason}`,
      });
    }
  });
}
