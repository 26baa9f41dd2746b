import { Redis } from "ioredis";
import { Buffer } from "node:buffer";
import { RedisResultBackend } from "@dq/dramatiq";
import { resultBackendConformance } from "../conformance/result_backend.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after } from "../support/test.ts";

const server = await startRedis();
const redis = new Redis(server.url);
redis.on("error", () => {}); // while the server is restarted
after(async () => {
  redis.disconnect();
  await server.stop();
});

resultBackendConformance({
  name: "RedisResultBackend",
  create: (options) => new RedisResultBackend({ url: server.url, ...options }),
  putRaw: (key, data) => redis.lpush(key, typeof data === "string" ? data : Buffer.from(data)),
  ...(server.isOwn
    ? { restart: () => server.restart() }
    : { skips: { outage: "others use the server, too" } }),
});
