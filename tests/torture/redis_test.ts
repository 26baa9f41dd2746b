import { runtime } from "../../platform/runtime.ts";
import { testLong, testOwn } from "../servers/own.ts";
import { RedisTarget } from "./redis_target.ts";
import { HEARTBEAT_TIMEOUT, tortureShortly } from "./short.ts";

// The one of SQLite is left out on Node, this one on Bun: each costs a runtime 20 s of processor time.
const test = runtime === "bun" ? testLong("redis-server") : testOwn("redis-server");

test("RedisBroker loses nothing when workers, connections and the server die", () =>
  tortureShortly(
    { messages: 3_000, longestDelay: 1_500, clockError: 120_000 },
    () => RedisTarget.open({ appendonly: true, heartbeatTimeout: HEARTBEAT_TIMEOUT }),
  ));
