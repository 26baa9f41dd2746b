import { ConnectionFailed } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { builtinModule, isPermitted, mayRead } from "../../platform/runtime.ts";
import { type CheckedAddress, IN_MEMORY } from "./address.ts";
import { openDatabase, type OwnDatabase } from "./database.ts";
import { migrate } from "./schema.ts";

const log = /* @__PURE__ */ getLogger("sqlite");

/** File systems by the number that `statfs` gives, see "statfs(2)" in the manual of Linux. */
const NETWORK = /* @__PURE__ */ new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
]);
const DOUBTFUL = /* @__PURE__ */ new Map([[0x65735546, "FUSE"], [0x01021997, "9p"]]);

/** Symbolic links that are followed one after the other, as on Linux. */
const MOST_LINKS = 40;

/** A file that is open. */
export interface OpenFile {
  readonly database: OwnDatabase;
  /** Its path without symbolic links; SQLite keeps its other files beside that. */
  readonly path: string;
  /** Tells the file from one that takes its place; `undefined` in memory. */
  readonly identity: string | undefined;
}

/**
 * Opens a file, with its pragmas and its present schema. It neither waits nor retries.
 *
 * @param address The file.
 * @param isReopened Whether it was open before, so that a missing file is an error.
 * @throws {ConnectionFailed} If it cannot be opened as it is.
 * @throws What SQLite throws otherwise, also when another process has the lock.
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
  // First of all: Deno waits for locks by default, and with it the whole event loop.
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

/** Checks the folder, and makes an empty file that only its owner may read. */
function prepareFile(address: CheckedAddress, isReopened: boolean): string {
  const fs = builtinModule("node:fs");
  const { dirname } = builtinModule("node:path");
  const given = address.path;
  const folder = dirname(given);
  // Deno may allow the file alone; whatever is wrong SQLite says then.
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
  if (exists && fs.statSync(path).isDirectory()) throw failed(given, "it is a folder");
  checkFileSystem(address, dirname(path));
  if (exists) return path;
  try {
    // Allowed only because nothing has the file open: closing it would drop all locks on it.
    fs.closeSync(fs.openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") {
      throw failed(given, `a file cannot be made in ${folder}: ${(error as Error).message}`, error);
    }
  }
  return path;
}

/** The path of a file that is not there yet; symbolic links are followed. */
function targetOf(path: string): string {
  const fs = builtinModule("node:fs");
  const { basename, dirname, join, resolve } = builtinModule("node:path");
  let target = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    if (!fs.lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink()) {
      return join(fs.realpathSync(dirname(target)), basename(target));
    }
    target = resolve(dirname(target), fs.readlinkSync(target));
  }
  return path; // links that name each other: SQLite says that it cannot open them
}

function checkFileSystem(address: CheckedAddress, folder: string): void {
  // Deno would ask for a permission that sending and working do not need.
  if (!isPermitted("sys", { kind: "statfs" })) return;
  let type: number;
  try {
    type = Number(builtinModule("node:fs").statfsSync(folder).type) >>> 0;
  } catch {
    return; // not every system tells
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
 * Tells a file from one that takes its place.
 *
 * @param path The file.
 * @returns Its device and number; `undefined` if it is not there.
 */
export function identityOf(path: string): string | undefined {
  if (!mayRead(path)) return undefined;
  const stat = builtinModule("node:fs").statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

function failed(path: string, reason: string, cause?: unknown): ConnectionFailed {
  return new ConnectionFailed(`Cannot open ${path}: ${reason}`, { cause, delivery: "none" });
}
