import { RedisRateLimiterBackend } from "@dq/dramatiq";
import { rateLimiterBackendConformance } from "../conformance/rate_limiter_backend.ts";
import { untilTracking } from "../brokers/redis/fixture.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after } from "../support/test.ts";

const server = await startRedis({ appendonly: true });
after(() => server.stop());

rateLimiterBackendConformance({
  name: "RedisBackend",
  open: () => new RedisRateLimiterBackend({ url: server.url }),
  forget: async (key) => void await server.command("DEL", key),
  // Its time is over, long ago.
  endClaim: async (group) => void await server.command("HSET", `{${group}}@members`, "claim", 1),
  address: { kind: "redis", address: server.url },
  openProxied: async () => {
    const proxy = await startProxy(server);
    const url = `redis://${proxy.host}:${proxy.port}`;
    return { proxy, backend: new RedisRateLimiterBackend({ url }) };
  },
  ...(server.isOwn
    ? { restart: () => server.restart(), untilWaiting: () => untilTracking(server) }
    : { skips: { restart: "others use the server, too" } }),
});
