/**
 * Entry of a process for tests: what they do in one of its own: `apart.ts start` starts a Redis and says where,
 * `apart.ts find` looks for Redis and says why there is none.
 *
 * @module
 */
import process from "node:process";
import { ensureInstalled } from "../support/servers/install.ts";
import { startOwnRedis } from "../support/servers/redis.ts";

if (process.argv[2] === "start") {
  const { port, folder } = await startOwnRedis();
  console.log(JSON.stringify({ port, folder }));
} else {
  await ensureInstalled("redis-server").catch((error: Error) => console.log(error.message));
}
