// How S3 says no: a status, a code and XML. The texts are its own, shortened.

const STATUS = {
  BadDigest: 400,
  EntityTooSmall: 400,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidArgument: 400,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  KeyTooLongError: 400,
  MalformedXML: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NotImplemented: 501,
  PreconditionFailed: 412,
  SlowDown: 503,
  XAmzContentSHA256Mismatch: 400,
} as const;

/** A code of S3's errors. */
export type RefusalCode = keyof typeof STATUS;

/** A request that is refused. */
export class S3Refusal extends Error {
  readonly code: RefusalCode;
  readonly status: number;

  constructor(code: RefusalCode, message: string = code) {
    super(message);
    this.code = code;
    this.status = STATUS[code];
  }

  get xml(): string {
    const inner = `<Code>${this.code}</Code><Message>${escapeXml(this.message)}</Message>`;
    return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${inner}<RequestId>0</RequestId></Error>`;
  }
}

/** Text as it stands in XML. */
export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  return text.replace(/[&<>"]/g, (character) => `&${names[character]};`);
}
