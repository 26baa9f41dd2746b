import { RabbitmqBroker, RedisControlStore } from "@dq/dramatiq";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after } from "../support/test.ts";

const [rabbitmq, redis] = await Promise.all([startRabbitmq(), startRedis()]);
after(async () => {
  await rabbitmq.stop();
  await redis.stop();
});

brokerControlConformance({
  name: "RabbitmqBroker with a RedisControlStore",
  open: (namespace, middleware) =>
    new RabbitmqBroker({
      url: rabbitmq.url,
      middleware,
      control: new RedisControlStore({ url: redis.url, namespace }),
    }),
});
