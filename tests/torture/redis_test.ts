import { testOwn } from "../servers/own.ts";
import { RedisTarget } from "./redis_target.ts";
import { HEARTBEAT_TIMEOUT, tortureShortly } from "./short.ts";

const test = testOwn("redis-server");

test("RedisBroker loses nothing when workers, connections and the server die", () =>
  tortureShortly(
    { messages: 3_000, longestDelay: 1_500, clockError: 120_000 },
    () => RedisTarget.open({ appendonly: true, heartbeatTimeout: HEARTBEAT_TIMEOUT }),
  ));
