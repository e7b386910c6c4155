// The lines that a person can paste to use a running pool, for every door. Pure.

import type { Addresses } from "./composition.ts";
import { portOf } from "./run-files.ts";
import { SETTINGS } from "./settings.ts";

/** Ready to paste: command line, Redis, HTTP, library. `key` and `file` are what they store. */
export function pasteLines(addresses: Addresses, key: string, file: string): string[] {
  const isDefault = addresses.client === SETTINGS.url.byDefault;
  const url = isDefault ? "" : ` --url ${addresses.client}`;
  return [
    `npx infinicache put ${key} ${file}${url}`,
    `npx infinicache get ${key} -o copy${url} && cmp ${file} copy`,
    `npx infinicache status${url}`,
    `npx infinicache chaos kill 2${url}`,
    `redis-cli -p ${portOf(addresses.resp)} -x SET ${key} < ${file}`,
    `curl -T ${file} ${addresses.http}/objects/default/${key}`,
    `import { connect } from "infinicache"; const cache = connect({ url: "${addresses.client}" });`,
  ];
}
