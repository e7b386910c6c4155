/**
 * Gets `test/clients` ready: installs its own npm packages (kept apart so that the ordinary install stays small)
 * and names the Debian packages its tests use and this machine lacks. It never installs Debian packages.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

const installMsMax = 180_000;

/** The commands that client tests run, and where Debian has them. */
const debianPackages: Readonly<Record<string, string>> = {
  "redis-cli": "redis-tools",
  "redis-benchmark": "redis-tools",
  "redis-server": "redis-server",
  curl: "curl",
  python3: "python3",
};

/** False when the tests cannot start: the install failed, or CI lacks a command they need. */
export async function prepareClients(): Promise<boolean> {
  const folder = resolve(import.meta.dirname, "..", "test", "clients");
  const missing = Object.keys(debianPackages).filter((command) => !isOnPath(command));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((command) => debianPackages[command]))];
    console.log(`clients: missing ${missing.join(", ")}: apt-get install ${packages.join(" ")}`);
    if (process.env["CI"] === "true") return false;
  }
  if (!existsSync(join(folder, "package-lock.json"))) return true;
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: installMsMax,
  });
  if (status !== 0) console.log("clients: npm ci failed in test/clients");
  return status === 0;
}

function isOnPath(command: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => existsSync(join(folder, command)));
}
