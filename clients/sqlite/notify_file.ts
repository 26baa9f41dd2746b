import { builtinModule } from "../../platform/runtime.ts";

/** Maximum of bytes in the file. */
const MAX_SIZE = 1;

/**
 * Opens the file through which processes notify each other of commits, and creates it if necessary.
 *
 * Another user who can write to the folder may replace it. A replacement is neither opened nor changed:
 * a symbolic link could lead to any file, and a named pipe would fill up.
 *
 * @param path The file.
 * @param databasePath The database. A new file gets its mode and, as root, its owner, as SQLite's log
 *   does. Otherwise a command that root runs would leave a file that the workers cannot use.
 * @returns The descriptor, and the inode.
 * @throws If there is something else, or the file cannot be opened.
 */
export function openNotifyFile(
  path: string,
  databasePath: string,
): { readonly descriptor: number; readonly inode: number } {
  const fs = builtinModule("node:fs");
  const { O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
  const flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;
  const found = fs.lstatSync(path, { throwIfNoEntry: false });
  // Not opened: to close a hard link of the database would drop the locks on it.
  if (found !== undefined) assertNotifyFile(path, found);
  const made = found === undefined ? make(path, flags, databasePath) : undefined;
  const descriptor = made ?? fs.openSync(path, flags);
  try {
    const stat = fs.fstatSync(descriptor);
    assertNotifyFile(path, stat);
    return { descriptor, inode: stat.ino };
  } catch (error) {
    fs.closeSync(descriptor);
    throw error;
  }
}

/** Creates the file; `undefined` if another process has done so in the meantime. */
function make(path: string, flags: number, databasePath: string): number | undefined {
  const fs = builtinModule("node:fs");
  const { O_CREAT, O_EXCL } = fs.constants;
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, flags | O_CREAT | O_EXCL, 0o600);
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return undefined;
    throw error;
  }
  share(descriptor, databasePath);
  return descriptor;
}

function assertNotifyFile(path: string, stat: { isFile(): boolean; readonly size: number }): void {
  if (stat.isFile() && stat.size <= MAX_SIZE) return;
  throw new Error(`Cannot notify through ${path}: it is not a file of one byte`);
}

/** Works on the descriptor, since the path may lead elsewhere by now. */
function share(descriptor: number, databasePath: string): void {
  const fs = builtinModule("node:fs");
  try {
    const { mode, uid, gid } = fs.statSync(databasePath);
    fs.fchmodSync(descriptor, mode & 0o666);
    if (fs.fstatSync(descriptor).uid !== uid) fs.fchownSync(descriptor, uid, gid);
  } catch {
    // Only root may give a file away; others find out that it changed when they poll.
  }
}
