/**
 * Completes a lock file that was written against a registry mirror without the packages of other platforms:
 * npm leaves out optional packages it cannot fetch, and then refuses its own lock file in `npm ci`.
 * Adds each with its pinned version and the platform its name says; npm verifies and fetches it where it fits.
 * Run after `npm install`: node tools/node tools/complete-lock.ts [package-lock.json …]. Uses no network.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface LockFile {
  packages: Record<string, LockedPackage>;
}

const systems = "aix android darwin freebsd linux netbsd openbsd openharmony sunos win32".split(
  " ",
);
const processors = "arm64 arm ia32 loong64 mips64el ppc64 riscv64 s390x wasm32 x64".split(" ");

const paths = process.argv.slice(2);
for (const path of paths.length > 0 ? paths : ["package-lock.json"]) {
  const lock = JSON.parse(readFileSync(path, "utf8")) as LockFile;
  const added = complete(lock);
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`${path}: ${added.length} packages of other platforms added`);
}

function complete(lock: LockFile): string[] {
  const added: string[] = [];
  for (const { dev, optionalDependencies } of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(optionalDependencies ?? {})) {
      const place = `node_modules/${name}`;
      if (lock.packages[place] !== undefined) continue;
      lock.packages[place] = {
        version,
        ...platformOf(name),
        ...(dev === true ? { dev } : {}),
        optional: true,
      };
      added.push(name);
    }
  }
  const places = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  lock.packages = Object.fromEntries(places);
  return added;
}

/** What a name such as `@biomejs/cli-linux-x64-musl` says about where the package runs. */
function platformOf(name: string): { cpu?: string[]; os?: string[]; libc?: string[] } {
  const words = name.split(/[/-]/);
  const cpu = processors.find((each) => words.includes(each));
  const os = systems.find((each) => words.includes(each));
  return {
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(os === undefined ? {} : { os: [os] }),
    ...(name.includes("-musl") ? { libc: ["musl"] } : {}),
  };
}
