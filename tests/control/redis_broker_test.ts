import { Redis } from "ioredis";
import { RedisBroker } from "@dq/dramatiq";
import { brokerClaimsConformance } from "../conformance/broker_claims.ts";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { claimsModel } from "../conformance/claims_model.ts";
import { brokerSuspectsConformance, type SuspectsHarness } from "../conformance/broker_suspects.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after } from "../support/test.ts";

const server = await startRedis();
const redis = new Redis(server.url);
after(async () => {
  redis.disconnect();
  await server.stop();
});

brokerControlConformance({
  name: "RedisBroker",
  open: (namespace, middleware) => new RedisBroker({ url: server.url, namespace, middleware }),
});

brokerClaimsConformance({
  name: "RedisBroker",
  open: (namespace, middleware) => new RedisBroker({ url: server.url, namespace, middleware }),
});

const suspects: SuspectsHarness = {
  name: "RedisBroker",
  open: (namespace) => new RedisBroker({ url: server.url, namespace }),
  async die(broker, other) {
    const { namespace, brokerId } = broker as RedisBroker;
    await redis.zadd(`${namespace}:__heartbeats__`, 1, brokerId);
    await (other as RedisBroker).maintain();
  },
  async countLeft(broker, queueName) {
    const { namespace } = broker as RedisBroker;
    const texts = await redis.hlen(`${namespace}:${queueName}.msgs`);
    return texts + await redis.hlen(`${namespace}:${queueName}.DQ.suspects`);
  },
};
brokerSuspectsConformance(suspects);
claimsModel(suspects, 40);
