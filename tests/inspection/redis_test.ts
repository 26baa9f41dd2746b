import { Buffer } from "node:buffer";
import { RedisBroker } from "@dq/dramatiq";
import { inspectorConformance } from "../conformance/inspector.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after } from "../support/test.ts";

const server = await startRedis();
after(() => server.stop());

/** Milliseconds: short, so that reports come soon. */
const MAINTENANCE_INTERVAL = 100;

inspectorConformance({
  name: "RedisInspector",
  shares: true,
  open: (namespace, middleware) =>
    new RedisBroker({
      url: server.url,
      namespace,
      middleware,
      maintenanceInterval: MAINTENANCE_INTERVAL,
    }),
  async putRaw(broker, queueName, data) {
    const id = crypto.randomUUID();
    const { namespace } = broker as RedisBroker;
    const text = typeof data === "string" ? data : Buffer.from(data);
    await server.command("HSET", `${namespace}:${queueName}.msgs`, id, text as string);
    await server.command("RPUSH", `${namespace}:${queueName}`, id);
  },
});
