// What a table keeps alive of values that came and went, once a full collection has made the table itself old.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A table that says by what number it knows a value. */
export interface Passing {
  add(value: object): number;
  delete(number: number): unknown;
}

/** Bytes that collections of young objects leave of 20 MB that came and went, fifty at a time, after a full collection. */
export function leftBy(table: Passing): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (how?: { readonly type: "minor" }) => void;
  const here: number[] = [];
  const pass = (count: number): void => {
    for (let at = 0; at < count; at++) {
      here.push(table.add(Array.from({ length: 128 }, () => at)));
      const oldest = here.length > 50 ? here.shift() : undefined;
      if (oldest !== undefined) table.delete(oldest);
    }
  };
  pass(1_000);
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let round = 1; round <= 20; round++) {
    pass(1_000);
    collect({ type: "minor" });
  }
  collect({ type: "minor" });
  return process.memoryUsage().heapUsed - before;
}
