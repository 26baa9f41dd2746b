import { ConnectionFailed } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { builtinModule, isPermitted, mayRead } from "../../platform/runtime.ts";
import { type CheckedAddress, IN_MEMORY } from "./address.ts";
import { openDatabase, type OwnDatabase } from "./database.ts";
import { migrate } from "./schema.ts";

const log = /* @__PURE__ */ getLogger("sqlite");

/** Types of file systems by the number in `statfs`, see "statfs(2)" in the manual of Linux. */
const NETWORK = /* @__PURE__ */ new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
]);
const DOUBTFUL = /* @__PURE__ */ new Map([[0x65735546, "FUSE"], [0x01021997, "9p"]]);

/** Maximum of symbolic links in a chain, as on Linux. */
const MAX_LINKS = 40;

/** An open file. */
export interface OpenFile {
  readonly database: OwnDatabase;
  /** Its path without symbolic links, beside which SQLite keeps its other files. */
  readonly path: string;
  /** Result of `identityOf`; `undefined` in memory. */
  readonly identity: string | undefined;
}

/**
 * Opens a file, sets its pragmas, and migrates its schema, without waiting or retrying.
 *
 * @param address The file.
 * @param isReopened True if it was open before, so that a missing file is an error.
 * @throws {ConnectionFailed} If it cannot be opened as it is.
 * @throws The error of SQLite otherwise, also if another process has the lock.
 */
export function openFile(address: CheckedAddress, isReopened: boolean): OpenFile {
  const isFile = address.path !== IN_MEMORY;
  const path = isFile ? prepareFile(address, isReopened) : address.path;
  const database = (address.opener ?? openDatabase)(path);
  try {
    setPragmas(database, address, path);
    migrate(database, path);
  } catch (error) {
    database.close();
    throw error;
  }
  return { database, path, identity: isFile ? identityOf(path) : undefined };
}

function setPragmas(database: OwnDatabase, { durability }: CheckedAddress, path: string): void {
  const run = (pragma: string) => database.prepare(`pragma ${pragma}`).get();
  // Must be the first: by default, waiting for a lock in Deno blocks the event loop.
  run("busy_timeout=0");
  const { page_count } = run("page_count") as { page_count: number };
  if (page_count === 0) run("auto_vacuum=incremental");
  const { journal_mode } = run("journal_mode=wal") as { journal_mode: string };
  if (journal_mode !== "wal" && path !== IN_MEMORY) {
    throw failed(
      path,
      `SQLite cannot use a write-ahead log there (its journal mode stays "${journal_mode}"); is it ` +
        "on a network or read-only file system?",
    );
  }
  run(`synchronous=${durability === "power" ? "full" : "normal"}`);
  run("journal_size_limit=67108864");
}

/** Checks the folder, and creates an empty file that only its owner may read. @returns Its real path. */
function prepareFile(address: CheckedAddress, isReopened: boolean): string {
  const fs = builtinModule("node:fs");
  const { dirname } = builtinModule("node:path");
  const given = address.path;
  const folder = dirname(given);
  // In Deno, only the file may be permitted: then SQLite reports what is wrong.
  if (!mayRead(folder)) return given;
  if (!fs.existsSync(folder)) {
    if (!address.createFolder || isReopened) {
      throw failed(
        given,
        `the folder ${folder} does not exist; make it, or set the option createFolder`,
      );
    }
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  const exists = fs.existsSync(given);
  if (!exists && isReopened) throw failed(given, "the file was deleted or moved");
  const path = exists ? fs.realpathSync(given) : targetOf(given);
  if (exists) {
    const stat = fs.statSync(path);
    if (stat.isDirectory()) throw failed(given, "it is a folder");
    if (!stat.isFile()) throw failed(given, "it is not a regular file"); // a named pipe, /dev/null, …
  }
  checkFileSystem(address, dirname(path));
  if (exists) return path;
  try {
    // Only while this process does not have the file open: closing it would release all locks on it.
    fs.closeSync(fs.openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") {
      throw failed(given, `a file cannot be made in ${folder}: ${(error as Error).message}`, error);
    }
  }
  return path;
}

/** Resolves the path of a file that does not exist yet, following symbolic links. */
function targetOf(path: string): string {
  const fs = builtinModule("node:fs");
  const { basename, dirname, join, resolve } = builtinModule("node:path");
  let target = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    if (!fs.lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink()) {
      return join(fs.realpathSync(dirname(target)), basename(target));
    }
    target = resolve(dirname(target), fs.readlinkSync(target));
  }
  return path; // a cycle of links: SQLite reports that it cannot open it
}

function checkFileSystem(address: CheckedAddress, folder: string): void {
  // Deno would ask for a permission that sending and working do not need.
  if (!isPermitted("sys", { kind: "statfs" })) return;
  let type: number;
  try {
    type = Number(builtinModule("node:fs").statfsSync(folder).type) >>> 0;
  } catch {
    return; // not supported on every system
  }
  const network = NETWORK.get(type);
  if (network !== undefined && !address.allowNetworkFileSystem) {
    throw failed(
      address.path,
      `it is on a network file system (${network}), where locks seldom work; use a local disk, or ` +
        "set the option allowNetworkFileSystem",
    );
  }
  const doubtful = DOUBTFUL.get(type);
  if (doubtful === undefined) return;
  log.warn("Opening {path} on {fileSystem}: locks and file events may not work there", {
    path: address.path,
    fileSystem: doubtful,
  });
}

/**
 * Identifies a file, as distinct from another one at the same path.
 *
 * @param path The file.
 * @returns Its device and inode; `undefined` if the path leads to no file: it does not exist, a link
 *   leads back to itself, or a parent is not a folder or is closed to this user.
 */
export function identityOf(path: string): string | undefined {
  if (!mayRead(path)) return undefined;
  try {
    const { dev, ino } = builtinModule("node:fs").statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

function failed(path: string, reason: string, cause?: unknown): ConnectionFailed {
  return new ConnectionFailed(`Cannot open ${path}: ${reason}`, { cause, delivery: "none" });
}
