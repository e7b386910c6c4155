// Credentials for tests by the SDK's own ways: in the environment, and put back after.

/** What stands in the environment; none of the secrets may appear in a text. */
export const S3_CREDENTIALS: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "secret-of-the-tests",
  AWS_REGION: "us-east-1",
};

/** Sets them before the tests of a file, and restores what was there after. */
export function withS3Credentials(
  before: (set: () => void) => void,
  after: (restore: () => void) => void,
): void {
  const was = new Map<string, string | undefined>();
  before(() => {
    for (const [name, value] of Object.entries(S3_CREDENTIALS)) {
      was.set(name, process.env[name]);
      process.env[name] = value;
    }
  });
  after(() => {
    for (const [name, value] of was) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}
