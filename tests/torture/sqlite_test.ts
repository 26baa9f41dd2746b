import { runtime } from "../../platform/runtime.ts";
import { runsLongTests } from "../servers/own.ts";
import { skip, test as declare } from "../support/test.ts";
import { tortureShortly } from "./short.ts";
import { SQLITE_FAULTS, SqliteTarget } from "./sqlite_target.ts";

/** Milliseconds; workers stand still for up to twice as long. */
const HEARTBEAT_TIMEOUT = 1_000;

/** The one of Redis is left out on Bun, this one on Node. */
const test = runtime === "node" && !runsLongTests
  ? (name: string) => skip(name, "it takes long, runs on Deno and Bun")
  : declare;

test("SqliteBroker loses nothing when workers die and stand still", () =>
  tortureShortly(
    {
      messages: 1_500,
      seconds: 2,
      faults: 6,
      longestDelay: 500,
      clockError: 0,
      heartbeatTimeout: HEARTBEAT_TIMEOUT,
    },
    () => SqliteTarget.open({ heartbeatTimeout: HEARTBEAT_TIMEOUT }),
    SQLITE_FAULTS,
  ));
