import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/**
 * Below what systems give to outgoing connections. A port from that range may be
 * taken when its server comes back; worse, a client that keeps trying to reach the
 * dead server can be given the very port it calls, and then is connected to itself.
 */
const FIRST = 15_000;
const LAST = 32_000;

/**
 * A file for each port that a running process was given, with its id: a server takes a while to
 * bind its port, and has none while it is restarted. Test files run in several processes.
 */
const FOLDER = join(tmpdir(), `dramatiq-test-ports-${process.getuid?.()}`);
/** The ports of this process. */
const given = new Set<number>();
// What remains, on Bun and after a kill, is deleted when the port is drawn again.
process.on("exit", release);
globalThis.addEventListener?.("unload", release); // Deno emits no "exit" in tests

function release(): void {
  for (const port of given) rmSync(fileOf(port), { force: true });
}

/**
 * Finds a port that is not in use.
 *
 * @returns A port of the loopback interface, never one that a test has which still runs.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await reserve(port) && await isFree(port)) return port;
  }
}

/**
 * Reserves a port for this process, until it ends.
 *
 * @param port The port.
 * @returns False if this process, or another that is running, has reserved it.
 */
export async function reserve(port: number): Promise<boolean> {
  if (given.has(port)) return false;
  await mkdir(FOLDER, { recursive: true });
  if (isReserved(port)) return false;
  try {
    await writeFile(fileOf(port), `${process.pid}`, { flag: "wx" });
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return false;
    throw error;
  }
  given.add(port);
  return true;
}

/** True if a running process has a port. Deletes the file of one that was killed. */
function isReserved(port: number): boolean {
  try {
    process.kill(Number(readFileSync(fileOf(port), "utf8")), 0);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ESRCH") rmSync(fileOf(port), { force: true });
    return false;
  }
}

/** The file by which a port is reserved. */
export function fileOf(port: number): string {
  return join(FOLDER, `${port}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
