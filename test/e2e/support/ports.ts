// Ports that are free just now, for what must come back at the same address after a kill.

import { createServer } from "node:net";

const PORTS_EACH = 5;
const FIRST = 21_000;
const SPREAD = 9_000;

/** The first of five ports in a row that nobody holds, from `from` or anywhere below those the kernel gives out by itself. */
export async function freePorts(
  from: number = FIRST + Math.floor(Math.random() * SPREAD),
): Promise<number> {
  for (let port = from; ; port += PORTS_EACH) {
    const offsets = Array.from({ length: PORTS_EACH }, (_, offset) => offset);
    const areFree = await Promise.all(offsets.map((offset) => isFree(port + offset)));
    if (areFree.every(Boolean)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const server = createServer();
    server.once("error", () => answer(false));
    server.listen(port, "127.0.0.1", () => server.close(() => answer(true)));
  });
}
