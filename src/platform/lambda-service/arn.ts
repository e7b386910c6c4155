// How callers name a function: a bare name, `name:qualifier`, a partial or a full ARN. Pure.

/** A function as named in a request path. */
export interface FunctionReference {
  readonly name: string;
  /** Null: unqualified, which means $LATEST. */
  readonly qualifier: string | null;
}

const NAME = "[a-zA-Z0-9_-]{1,64}";
const QUALIFIER = "\\$LATEST|[a-zA-Z0-9_-]{1,128}";
const REFERENCE = new RegExp(
  `^(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:)?(?:\\d{12}:)?(?:function:)?(${NAME})(?::(${QUALIFIER}))?$`,
);

/** Reads a reference (already percent-decoded); null when it is none. */
export function parseFunctionReference(text: string): FunctionReference | null {
  const match = REFERENCE.exec(text);
  if (match?.[1] === undefined) return null;
  return { name: match[1], qualifier: match[2] ?? null };
}

/** The ARN of a function without a qualifier. */
export function functionArn(region: string, accountId: string, name: string): string {
  return `arn:aws:lambda:${region}:${accountId}:function:${name}`;
}
