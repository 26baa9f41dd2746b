import { RedisBroker } from "@dq/dramatiq";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after } from "../support/test.ts";

const server = await startRedis();
after(() => server.stop());

brokerControlConformance({
  name: "RedisBroker",
  open: (namespace, middleware) => new RedisBroker({ url: server.url, namespace, middleware }),
});
