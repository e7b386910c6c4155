// Claims about the files with tokens: who may read them, what is wrong is told by entry, and no token is ever shown.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ownToken, readTokens } from "../../../src/cli/tokens-file.ts";
import { sha256Hex } from "../../../src/host/node-hash.ts";

const SECRET = "a-secret-of-somebody";
const folder = mkdtempSync(join(tmpdir(), "infinicache-tokens-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(content: string, mode = 0o600): string {
  const path = join(folder, "tokens.json");
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function faultOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    const text = String(error);
    assert.doesNotMatch(text, /secret-of/);
    return text;
  }
  assert.fail("it was accepted");
}

test("tokens file: a token, or its digest, stands for role, namespace and expiry", () => {
  const access = readTokens(
    file(
      JSON.stringify([
        { token: SECRET, role: "read-only", namespace: "a", expires: "2030-01-31T00:00:00Z" },
        { sha256: sha256Hex("another").toUpperCase(), role: "admin" },
      ]),
    ),
  );
  const expiresAtMs = Date.UTC(2030, 0, 31);
  assert.deepEqual(access.identify(SECRET, 0), { role: "read-only", namespace: "a", expiresAtMs });
  assert.equal(access.identify(SECRET, expiresAtMs), null);
  const admin = { role: "admin", namespace: null, expiresAtMs: null };
  assert.deepEqual(access.identify("another", 0), admin);
  assert.equal(access.identify("", 0), null);
});

test("tokens file: one that others can reach is refused", () => {
  const content = JSON.stringify([{ token: SECRET, role: "admin" }]);
  for (const mode of [0o640, 0o604, 0o620])
    assert.match(
      faultOf(() => readTokens(file(content, mode))),
      /chmod 600/,
    );
  assert.match(
    faultOf(() => ownToken({ token: "", tokenFile: file(SECRET, 0o644) })),
    /chmod 600/,
  );
});

test("tokens file: what is wrong is told by its entry, and shows no token", () => {
  const good = { token: SECRET, role: "admin" };
  const cases: readonly [entry: unknown, expected: RegExp][] = [
    [{ ...good, role: SECRET }, /entry 2: role: must be read-only/],
    [{ [SECRET]: "admin", role: "admin" }, /entry 2: has a field that is none of/],
    [{ role: "admin" }, /entry 2: needs either a token or its sha256/],
    [{ ...good, sha256: sha256Hex("x") }, /entry 2: needs either/],
    [{ token: "short", role: "admin" }, /entry 2: token: must be 16 to 4096/],
    [{ token: `${SECRET} ${SECRET}`, role: "admin" }, /entry 2: token: must be/],
    [{ ...good, expires: SECRET }, /entry 2: expires: must be a time/],
    [{ ...good, namespace: "a/b" }, /entry 2: namespace: must be/],
    [{ ...good, namespace: ".." }, /entry 2: namespace: must be/],
    [{ ...good, namespace: "a" }, /entry 2: an admin is one of the whole pool/],
    [{ sha256: sha256Hex(SECRET), role: "admin" }, /entry 2: the same token/],
    [SECRET, /entry 2/],
  ];
  for (const [entry, expected] of cases)
    assert.match(
      faultOf(() => readTokens(file(JSON.stringify([good, entry])))),
      expected,
    );
  assert.match(
    faultOf(() => readTokens(file(`[{"token":"${SECRET}",}]`))),
    /must be JSON/,
  );
  for (const content of ["[]", "{}", `"${SECRET}"`])
    assert.match(
      faultOf(() => readTokens(file(content))),
      /must be a list/,
    );
});

test("token to show: the setting before the file, and the file has one token", () => {
  assert.equal(ownToken({ token: "", tokenFile: "none" }), "");
  assert.equal(ownToken({ token: "set", tokenFile: join(folder, "absent") }), "set");
  assert.equal(ownToken({ token: "", tokenFile: file(`${SECRET}\n`) }), SECRET);
  const two = file(`${SECRET}\n${SECRET}\n`);
  assert.match(
    faultOf(() => ownToken({ token: "", tokenFile: two })),
    /must hold one token/,
  );
});
