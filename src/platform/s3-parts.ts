// Cuts a body into the parts it is uploaded in: each a buffer of its own, so that the SDK can send it again. It holds
// one part at a time; who uploads decides how many wait.

/** An object up to this is one request; S3 takes no inner part below 5 MiB. */
export const S3_PART_BYTES_MIN = 8 * 1_024 * 1_024;
/** S3 takes no more of one object. */
const PARTS_MAX = 10_000;
/** Of a body of unknown length: after so many parts each is twice as large, which makes 8 TB of all. */
const PARTS_ALIKE = 1_000;
const MEBIBYTE = 1_024 * 1_024;

/** How many bytes part `number`, from 1, has. */
export function partBytesOf(number: number, bytes: number | null): number {
  if (bytes === null) return S3_PART_BYTES_MIN * 2 ** Math.floor((number - 1) / PARTS_ALIKE);
  const least = Math.ceil(bytes / PARTS_MAX / MEBIBYTE) * MEBIBYTE;
  return Math.max(S3_PART_BYTES_MIN, least);
}

/** A part, handed over. */
export interface S3Part {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** The parts, in order; one empty part of an empty body. Leaving it leaves the body. */
export async function* partsToUpload(
  body: AsyncIterable<Uint8Array>,
  bytes: number | null,
): AsyncGenerator<S3Part, void, undefined> {
  let number = 1;
  let pieces: Uint8Array[] = [];
  let held = 0;
  for await (const borrowed of body) {
    let at = 0;
    while (at < borrowed.length) {
      // Only a byte beyond a full part shows that it is not the last.
      if (held === partBytesOf(number, bytes)) {
        yield { bytes: joined(pieces, held), isLast: false };
        [number, pieces, held] = [number + 1, [], 0];
      }
      const end = at + partBytesOf(number, bytes) - held;
      const piece = new Uint8Array(borrowed.subarray(at, end)); // Of a Buffer, `slice` is no copy.
      pieces.push(piece);
      held += piece.length;
      at += piece.length;
    }
  }
  yield { bytes: joined(pieces, held), isLast: true };
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
