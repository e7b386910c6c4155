// Checks a body against what its sender declared: length and digests (RFC 9530 `Content-Digest`, `Repr-Digest`;
// RFC 1864 `Content-MD5`). The check stands at the end of the stream, so that a bad body makes the PUT fail before it
// can commit.

import { type Headers, type HttpRequest, RequestFault } from "./message.ts";

/** An incremental hash. */
export interface Hasher {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** Makes hashes; the composition root brings it. */
export type CreateHasher = (algorithm: "sha256" | "md5") => Hasher;

interface Declared {
  readonly hasher: Hasher;
  readonly name: string;
  readonly base64: string;
}

const SHA256_BYTES = 32;
const MD5_BYTES = 16;

/** The digests that a request declares; throws `RequestFault` 400 for one that cannot be right. */
export function declaredDigests(headers: Headers, createHasher: CreateHasher): Declared[] {
  const declared: Declared[] = [];
  const declare = (algorithm: "sha256" | "md5", name: string, bytes: number, base64: string) => {
    const isWellFormed =
      /^[A-Za-z0-9+/]+={0,2}$/.test(base64) && base64.length === Math.ceil(bytes / 3) * 4;
    if (!isWellFormed) throw new RequestFault(400, `${name} is malformed`);
    declared.push({ hasher: createHasher(algorithm), name, base64 });
  };
  for (const name of ["content-digest", "repr-digest"]) {
    const field = headers[name];
    // Other algorithms may stand beside; RFC 9530 lets a recipient choose.
    const match = /(?:^|,)\s*sha-256\s*=\s*:([^:]*):/i.exec(field ?? "");
    if (match !== null) declare("sha256", name, SHA256_BYTES, match[1] ?? "");
    else if (/(?:^|,)\s*sha-256/i.test(field ?? ""))
      throw new RequestFault(400, `${name} is malformed`);
  }
  const md5 = headers["content-md5"];
  if (md5 !== undefined) declare("md5", "content-md5", MD5_BYTES, md5.trim());
  return declared;
}

/** The body, which throws a `RequestFault` instead of ending when it is not what was declared. */
export async function* checkedBody(
  request: HttpRequest,
  digests: readonly Declared[],
): AsyncGenerator<Uint8Array, void> {
  let bytes = 0;
  for await (const part of request.body) {
    bytes += part.length;
    for (const { hasher } of digests) hasher.update(part);
    yield part;
  }
  if (request.bodyBytes !== null && bytes !== request.bodyBytes) {
    throw new RequestFault(400, `the body has ${bytes} bytes, not ${request.bodyBytes}`);
  }
  for (const { hasher, name, base64 } of digests) {
    if (toBase64(hasher.digest()) !== base64) {
      throw new RequestFault(400, `the body does not match ${name}`);
    }
  }
  const fault = await request.fault();
  if (fault !== null) throw fault;
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
