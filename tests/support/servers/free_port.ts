import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below what systems give to outgoing connections. A port from that range may be
 * taken when its server comes back; worse, a client that keeps trying to reach the
 * dead server can be given the very port it calls, and then is connected to itself.
 */
const FIRST = 15_000;
const LAST = 32_000;

/** A server takes a while to bind its port: until then it must not be handed out again. */
const given = new Set<number>();

/**
 * Finds a port that is not in use.
 *
 * @returns A port of the loopback interface, never the same one twice in this process.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
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
