// `chaos …`: does to functions what providers do, on purpose: kills and stops instances through the admin API of
// the local Lambda service. The proxy is not told; it finds out as it would on AWS.

import type { CommandContext } from "../context.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";
import { LambdaAdminClient } from "../lambda-admin.ts";
import { portOf, readNote, runFolder } from "../run-files.ts";

/** How far the Lambda service's port lies from the clients' port. */
const LAMBDA_PORT_OFFSET = 4;

/** Kills `args[0]` random instances. */
export async function kill(context: CommandContext, args: readonly string[]): Promise<ExitName> {
  const count = readCount(args[0]);
  return act(context, "killed", (admin) => admin.kill({ count }));
}

/** Kills every instance of the node `args[0]`, a number or name; or the instance of that id. */
export async function killNode(
  context: CommandContext,
  args: readonly string[],
): Promise<ExitName> {
  const [text = ""] = args;
  const name = /^\d+$/.test(text) ? `${context.settings.pool}-${readCount(text)}` : text;
  return act(context, `killed of ${name}`, async (admin) => {
    const rows = await admin.instances();
    if (rows.some((row) => row.function === name)) return admin.kill({ function: name });
    if (rows.some(({ id }) => id === text)) return admin.kill({ instance: text });
    const names = new Set(rows.map((row) => row.function));
    if (names.size === 0 || name !== text) return [];
    throw new CommandError(
      "usage",
      `"${text}" is no number or name of a node and no id of an instance; there is ${[...names][0]}`,
    );
  });
}

/** Kills every instance. */
export async function reclaimAll(context: CommandContext): Promise<ExitName> {
  return act(context, "killed", (admin) => admin.reclaimAll());
}

/** Stops `args[0]` random instances. */
export async function freeze(context: CommandContext, args: readonly string[]): Promise<ExitName> {
  const count = readCount(args[0]);
  return act(context, "frozen", (admin) => admin.freeze(count));
}

/** Lets every stopped instance go on. */
export async function thaw(context: CommandContext): Promise<ExitName> {
  return act(context, "thawed", (admin) => admin.thaw());
}

async function act(
  context: CommandContext,
  verb: string,
  action: (admin: LambdaAdminClient) => Promise<readonly string[]>,
): Promise<ExitName> {
  const { terminal } = context;
  const admin = new LambdaAdminClient(lambdaUrl(context));
  try {
    const instances = await action(admin);
    if (terminal.isJson) terminal.out(JSON.stringify({ count: instances.length, instances }));
    else
      terminal.note(
        `${instances.length} ${instances.length === 1 ? "instance" : "instances"} ${verb}`,
      );
    return instances.length === 0 ? "absent" : "ok";
  } finally {
    admin.close();
  }
}

/** As set; else what the pool at the proxy's address has noted; else the port where `up` puts it. */
function lambdaUrl({ settings, environment }: CommandContext): string {
  if (settings.lambda !== "") return settings.lambda;
  const port = portOf(settings.url);
  const note = readNote(runFolder(environment), port);
  if (note !== null) return note.addresses.lambda;
  const host = settings.url.slice(0, settings.url.lastIndexOf(":"));
  return `http://${host}:${port + LAMBDA_PORT_OFFSET}`;
}

function readCount(text: string | undefined): number {
  const count = Number(text);
  if (text !== undefined && /^\d+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new CommandError("usage", `"${text}": a whole number is needed`);
}
