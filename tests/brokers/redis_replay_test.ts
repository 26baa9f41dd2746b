import { assertThrows } from "@std/assert";
import { startOwnRedis } from "../support/servers/redis.ts";
import { testOwn } from "../servers/own.ts";
import { keysAfter, SCENARIOS } from "./redis_replay/capture.ts";
import { assertSameDump, readDump, writeDump } from "./redis_replay/dump.ts";
import { Notation } from "./redis_replay/notation.ts";

const test = testOwn("redis-server");

test("Dumps of the capture, written to Redis, read as they are there", async () => {
  await using server = await startOwnRedis();
  for (const scenario of SCENARIOS) {
    const notation = new Notation(scenario);
    for (const step of scenario.steps) {
      const expected = keysAfter(scenario, step);
      if (expected === undefined) continue;
      await writeDump(server, notation.toValues(expected));
      const dump = await readDump(server);

      assertSameDump(notation.toPlaceholders(dump), expected, step.step);
    }
  }
});
