// Receiving in place on sockets that a server accepted. Node offers `onread` for sockets that dial only; the handle of an
// accepted one is private, and moving it to a socket of our own is the one liberty taken with Node's insides.
// It is taken here and nowhere else, after a check of what it needs; where that is absent, `data` events do the work.

import { Socket } from "node:net";

/** The `onread` option of a socket. */
export interface OnRead {
  readonly buffer: () => Uint8Array;
  readonly callback: (count: number) => boolean;
}

interface Handle {
  readonly useUserBuffer: (buffer: Uint8Array) => void;
  reading?: boolean;
}

/**
 * A new socket over the handle of `raw`, an accepted socket that has not begun to read (`pauseOnConnect`), receiving by
 * `onread`. Null when this Node does not have what that takes: `raw` is then as it was.
 */
export function inPlaceSocket(raw: Socket, onread: OnRead): Socket | null {
  // Proof of the cast: the shape is checked in the next lines.
  const holder = raw as unknown as { _handle?: Partial<Handle> | null };
  const handle = holder._handle;
  if (handle === undefined || handle === null) return null;
  if (typeof handle.useUserBuffer !== "function") return null;
  // Proof of the cast: `handle` and `onread` are options of the constructor that the types leave out.
  const options = { handle, onread } as unknown as ConstructorParameters<typeof Socket>[0];
  // The handle is taken from the old socket first: one handle with two owners would be closed twice.
  holder._handle = null;
  const socket = new Socket(options);
  // Without this the server counts the connection for ever, and its `close` never ends.
  raw.destroy();
  return socket;
}
