// `lambda-service`: only the local stand-in for AWS Lambda, for our proxy in another process or for any AWS SDK.

import type { CommandContext } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { serveUntilStopped } from "../serving.ts";
import { starting } from "../starting.ts";

/** Starts the service and serves until a signal. */
export async function run(context: CommandContext): Promise<ExitName> {
  const { settings, terminal, composition } = context;
  const { host, port, seed, reclaim, freeze } = settings;
  const service = await starting(context, () =>
    composition.startLambda({ host, port, seed, reclaim, freeze }),
  );
  if (terminal.isJson) terminal.out(JSON.stringify({ ready: true, lambda: service.url }));
  else {
    terminal.out(`The local Lambda service is up at ${service.url}.\n`);
    terminal.out(`  npx infinicache proxy --lambda ${service.url} --state ./state`);
    terminal.out(
      `  AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_ENDPOINT_URL_LAMBDA=${service.url} node your-sdk-script.mjs`,
    );
    terminal.out("\nCtrl-C stops it and all its functions.");
  }
  return serveUntilStopped(context, service);
}
