import { testOwn } from "../servers/own.ts";
import { RedisVictim } from "./redis_victim.ts";
import { HEARTBEAT_TIMEOUT, tortureShortly } from "./short.ts";

const test = testOwn("redis-server");

test("RedisBroker loses nothing when workers, connections and the server die", () =>
  tortureShortly(
    { messages: 3_000, longestDelay: 1_500, clockError: 120_000 },
    () => RedisVictim.open({ appendonly: true, heartbeatTimeout: HEARTBEAT_TIMEOUT }),
  ));
