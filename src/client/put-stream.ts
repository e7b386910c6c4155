// Feeds a PUT from an async iterable: reads it only as fast as there is room, and leaves it when the PUT has ended.

import type { StreamSource } from "./put-source.ts";
import { invalid } from "./validate.ts";

/** Writes the whole body into `source`; faults go through the source. Never rejects. */
export async function pumpStream(
  body: AsyncIterable<Uint8Array>,
  source: StreamSource,
  isOver: () => boolean,
): Promise<void> {
  try {
    for await (const part of body) {
      if (isOver()) return;
      // A caller's mistake that types do not stop: a stream of strings.
      if (!((part as unknown) instanceof Uint8Array))
        throw invalid("a body must yield Uint8Array; set no encoding on the stream");
      await writeWhole(part, source, isOver);
      if (isOver()) return;
    }
    source.end();
  } catch (error) {
    source.fail(error);
  }
}

async function writeWhole(
  part: Uint8Array,
  source: StreamSource,
  isOver: () => boolean,
): Promise<void> {
  let written = source.write(part);
  while (written < part.length && !isOver()) {
    await new Promise<void>((resolve) => source.whenRoom(resolve));
    written += source.write(part.subarray(written));
  }
}

/** All bytes of a body in one buffer. */
export async function collect(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    parts.push(new Uint8Array(part)); // A copy; the `slice` of a Buffer would be a view.
    bytes += part.length;
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
