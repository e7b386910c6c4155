// One process of the suite `floor`: bare sockets, no protocol. A source sends so many bytes for each byte it gets; a relay
// hands a byte that it gets to its sources, and what they send on to whoever asked, in parts from recycled memory.
//
//   floor-process.ts source BYTES          floor-process.ts relay PORT,PORT,…
//
// Both print the port they listen on and, when their input ends, the CPU they have used since the first wish.

import { createServer, connect as dial, type Socket } from "node:net";

const PART_BYTES = 1_048_576;

const free: Uint8Array[] = [];
/** Since the first wish: starting is not what is asked about. */
let before: NodeJS.CpuUsage | undefined;
const [role = "", what = ""] = process.argv.slice(2);
const server = createServer({ noDelay: true }, role === "source" ? sendFrom(Number(what)) : relay);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : address);
});
process.stdin.resume().on("end", () => {
  const { user, system } = process.cpuUsage(before);
  console.log(user + system);
  process.exit();
});

/** Bytes that were touched before, written in parts. */
function sendFrom(bytes: number): (socket: Socket) => void {
  const memory = new Uint8Array(bytes).fill(7);
  return (socket) => {
    socket.on("data", (wish) => {
      before ??= process.cpuUsage();
      for (let times = 0; times < wish.length; times++) {
        socket.cork();
        for (let at = 0; at < bytes; at += PART_BYTES)
          socket.write(memory.subarray(at, Math.min(bytes, at + PART_BYTES)));
        socket.uncork();
      }
    });
    socket.on("error", () => {});
  };
}

function relay(client: Socket): void {
  const sources = what.split(",").map((port) => relayed(Number(port), client));
  client.on("data", (wish) => {
    before ??= process.cpuUsage();
    for (const source of sources) source.write(wish);
  });
  client.on("error", () => {});
}

/** Dials a source; what comes is read in place and passed on as it is; the memory used last is used next. */
function relayed(port: number, client: Socket): Socket {
  let place = free.pop() ?? new Uint8Array(PART_BYTES);
  const source = dial({
    host: "127.0.0.1",
    port,
    noDelay: true,
    onread: {
      buffer: () => place,
      callback: (count) => {
        const part = place;
        place = free.pop() ?? new Uint8Array(PART_BYTES);
        client.write(part.subarray(0, count), () => void free.push(part));
        return true;
      },
    },
  });
  source.on("error", () => process.exit(1));
  return source;
}
