import type { TcpProxy } from "../../support/servers/proxy.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { eventually } from "./fixture.ts";

/**
 * Lets a command reach the server, and cuts the connection before its reply arrives.
 *
 * @param server The server.
 * @param proxy The proxy of the connection.
 * @param ask Sends the command; no other may be pending.
 * @param isDone True once the server has run it, read on another connection.
 */
export async function loseAnswer(
  server: RedisServer,
  proxy: TcpProxy,
  ask: () => void,
  isDone: () => Promise<boolean>,
): Promise<void> {
  const before = proxy.bytesToTarget;
  await server.pause();
  try {
    ask();
    await eventually("ask", () => Promise.resolve(proxy.bytesToTarget > before));
    proxy.freeze();
  } finally {
    server.continue();
  }
  await eventually("do what it was asked", isDone);
  await proxy.cut();
  proxy.thaw();
}
