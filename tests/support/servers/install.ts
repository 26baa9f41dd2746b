import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { runProgram } from "./run_program.ts";

/** A server that tests and benchmarks start, by the name of its program and Debian package. */
export type ServerName = "redis-server" | "memcached" | "rabbitmq-server";

/** A program that tests use. */
export type ProgramName = ServerName | "chromium" | "promtool";

/** A package whose program is needed, but not its service. */
const SOURCES: { readonly [name in ProgramName]?: string } = { promtool: "prometheus" };

/** Variables with the address of a server that runs already. */
export const ADDRESS_VARIABLES: Readonly<Record<ServerName, string>> = {
  "redis-server": "TEST_REDIS_URL",
  "memcached": "TEST_MEMCACHED_ADDRESS",
  "rabbitmq-server": "TEST_RABBITMQ_URL",
};

/**
 * Folders of programs besides the path. RabbitMQ's own folder comes before it: what
 * Debian puts on the path is a wrapper that becomes another user first.
 */
const FOLDERS_BEFORE_PATH = ["/usr/lib/rabbitmq/bin"];
const FOLDERS_AFTER_PATH = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * Installs the package `$1`. A policy-rc.d that says 101 keeps a package from
 * starting its service; one that is already there is left alone. The lists are
 * fetched only if they turn out to be missing or old.
 */
const INSTALL = `
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\\nexit 101\\n' >"$policy"
    chmod 755 "$policy"
  fi
  install() {
    apt-get install -qy --no-install-recommends -o DPkg::Lock::Timeout=300 "$1"
  }
  install "$1" || { apt-get update -q && install "$1"; }
`;

/**
 * Takes the program `$2` out of the package `$1`: with prometheus, that is a quarter of the time, and
 * there is no service, no user and none of eleven packages for its pages.
 */
const EXTRACT = `
  set -e
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cd "$folder"
  apt-get download -q "$1" || { apt-get update -q && apt-get download -q "$1"; }
  dpkg-deb --fsys-tarfile ./*.deb | tar -x "./usr/bin/$2"
  install "usr/bin/$2" /usr/local/bin/
`;

const installations = new Map<ProgramName, Promise<string>>();

/**
 * Makes sure that a program is there: finds it, or installs Debian's package,
 * whose services stay off. May be called from several processes at once.
 *
 * @param name The program.
 * @returns Where it is.
 * @throws {Error} If it is not there and cannot be installed; the message says what to do.
 */
export async function ensureInstalled(name: ProgramName): Promise<string> {
  const found = await findProgram(name);
  if (found !== undefined) return found;

  let installation = installations.get(name);
  if (installation === undefined) {
    installation = install(name);
    installations.set(name, installation);
    installation.catch(() => installations.delete(name)); // The next caller tries again.
  }
  return await installation;
}

/**
 * Finds a program on the path or in a folder for servers.
 *
 * @param name The program.
 * @returns Where it is, or `undefined`.
 */
export async function findProgram(name: string): Promise<string | undefined> {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of [...FOLDERS_BEFORE_PATH, ...path, ...FOLDERS_AFTER_PATH]) {
    const file = join(folder, name);
    const isThere = await access(file, constants.X_OK).then(() => true, () => false);
    if (isThere) return file;
  }
  return undefined;
}

async function install(name: ProgramName): Promise<string> {
  if (process.getuid?.() !== 0) throw cannotInstall(name, "this user may not install it");
  // Part of every Debian, beside apt-get. The kernel frees the lock of a process that dies.
  const [apt, flock] = await Promise.all([findProgram("apt-get"), findProgram("flock")]);
  if (apt === undefined || flock === undefined) {
    throw cannotInstall(name, "this system has no apt-get");
  }
  const source = SOURCES[name];
  const script = source === undefined ? [INSTALL, "sh", name] : [EXTRACT, "sh", source, name];
  const lock = join(tmpdir(), "dramatiq-install-servers.lock");
  try {
    await runProgram(flock, [lock, "sh", "-c", ...script], {
      DEBIAN_FRONTEND: "noninteractive",
    });
  } catch (cause) {
    throw cannotInstall(name, "apt-get failed", cause);
  }
  const program = await findProgram(name);
  if (program === undefined) throw cannotInstall(name, "its package does not hold it");
  return program;
}

function cannotInstall(name: ProgramName, reason: string, cause?: unknown): Error {
  const elsewhere = name in ADDRESS_VARIABLES
    ? `, or run "docker compose up -d" and set ${ADDRESS_VARIABLES[name as ServerName]}`
    : "";
  return new Error(
    `Cannot start ${name}: it is not installed, and ${reason}. ` +
      `Install the package ${SOURCES[name] ?? name}${elsewhere}`,
    { cause },
  );
}
