import type { TcpProxy } from "../../support/servers/proxy.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { eventually } from "./fixture.ts";

/**
 * Lets a question reach the server, and keeps its answer from coming back.
 *
 * @param server The server.
 * @param proxy What stands between.
 * @param ask Asks; nothing else must be on its way then.
 * @param isDone Tells, over another connection, that the server has done what it was asked.
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
