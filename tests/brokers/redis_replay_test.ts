import { assertEquals, assertNotEquals } from "@std/assert";
import { startOwnRedis } from "../support/servers/redis.ts";
import { testLong, testOwn } from "../servers/own.ts";
import { SCENARIOS, withTexts } from "./redis_replay/capture.ts";
import { DIFFERENCES } from "./redis_replay/differences.ts";
import { assertSameDump, readDump, writeDump } from "./redis_replay/dump.ts";
import { Notation } from "./redis_replay/notation.ts";
import { SCENARIO_STEPS } from "./redis_replay/scenario_steps.ts";
import { replay } from "./redis_replay/replay.ts";

const test = testOwn("redis-server");

test("Dumps of the capture, written to Redis, read as they are there", async () => {
  await using server = await startOwnRedis();
  for (const scenario of SCENARIOS) {
    const notation = new Notation(scenario);
    for (const step of scenario.steps) {
      if (step.keys === "unchanged") continue;
      const expected = withTexts(scenario, step.keys);
      await writeDump(server, notation.toValues(expected));
      const dump = await readDump(server);

      assertSameDump(notation.toPlaceholders(dump), expected, step.step);
    }
  }
});

test("Every scenario of the capture is run, and nothing else", () => {
  assertEquals(
    Object.keys(SCENARIO_STEPS).toSorted(),
    SCENARIOS.map(({ scenario }) => scenario).toSorted(),
  );
});

test("Every difference is one of a step or message of the capture", () => {
  for (const [name, { steps, messages = {} }] of Object.entries(DIFFERENCES)) {
    const scenario = SCENARIOS.find(({ scenario }) => scenario === name);
    for (const [number, { step }] of Object.entries(steps)) {
      assertEquals(scenario?.steps[Number(number) - 1]?.step, step, `${name} ${number}`);
    }
    for (const [id, { text }] of Object.entries(messages)) {
      assertNotEquals(scenario?.messages[id]?.text, text, `${name} ${id}`);
    }
  }
});

for (const scenario of SCENARIOS) {
  // Reference: RedisBroker
  test(`RedisBroker leaves the keys of Python: ${scenario.scenario}: ${scenario.about}`, async () => {
    await replay(scenario, SCENARIO_STEPS[scenario.scenario]!);
  });
  testLong("redis-server")(
    `RedisBroker leaves the keys of Python while other work is controlled: ${scenario.scenario}`,
    async () => await replay(scenario, SCENARIO_STEPS[scenario.scenario]!, true),
  );
}
