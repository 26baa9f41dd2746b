import { assertEquals, assertThrows } from "@std/assert";
import { connect } from "amqplib";
import { RabbitmqBroker } from "@dq/dramatiq";
import { testOwn } from "../servers/own.ts";
import { after, test as testHere } from "../support/test.ts";
import { MAX_PRIORITIES, REDECLARATIONS, SCENARIOS } from "./rabbitmq_replay/capture.ts";
import { DIFFERENCES } from "./rabbitmq_replay/differences.ts";
import { SCENARIO_STEPS } from "./rabbitmq_replay/scenario_steps.ts";
import { replay } from "./rabbitmq_replay/replay.ts";
import { InspectedServer } from "./rabbitmq_replay/inspected_server.ts";

const test = testOwn("rabbitmq-server");
// Where the tests are skipped there is none, and nobody asks for it.
const inspectedServer = test === testHere
  ? await InspectedServer.open()
  : undefined as unknown as InspectedServer;
after(() => inspectedServer?.[Symbol.asyncDispose]());

testHere("Every scenario of the capture is run, and nothing else", () => {
  assertEquals(
    Object.keys(SCENARIO_STEPS).toSorted(),
    SCENARIOS.map(({ scenario }) => scenario).toSorted(),
  );
});

testHere("Every difference is one of a step of the capture", () => {
  for (const [name, steps] of Object.entries(DIFFERENCES)) {
    const scenario = SCENARIOS.find(({ scenario }) => scenario === name);
    for (const [number, { step }] of Object.entries(steps)) {
      assertEquals(scenario?.steps[Number(number) - 1]?.step, step, `${name} ${number}`);
    }
  }
});

testHere("RabbitmqBroker takes the priorities that Python takes, if they are whole numbers", () => {
  for (const { max_priority: maxPriority, raised } of MAX_PRIORITIES) {
    if (raised === undefined && Number.isInteger(maxPriority)) new RabbitmqBroker({ maxPriority });
    else assertThrows(() => new RabbitmqBroker({ maxPriority }), RangeError, `${maxPriority}`);
  }
});

for (const scenario of SCENARIOS) {
  // Reference: RabbitmqBroker
  test(`RabbitmqBroker does as Python does: ${scenario.scenario}: ${scenario.about}`, async () => {
    await replay(scenario, SCENARIO_STEPS[scenario.scenario]!, inspectedServer);
  });
}

test("RabbitmqBroker's queues are to RabbitMQ what Python's are, declared again by anybody", async () => {
  for (const { queue, arguments: args, accepted, reply_code } of REDECLARATIONS) {
    await inspectedServer.clear();
    const maxPriority = queue.endsWith(".XQ") ? {} : { maxPriority: 10 };
    await using broker = new RabbitmqBroker({ url: inspectedServer.server.url, ...maxPriority });
    await broker.getQueueMessageCounts("goldq"); // declares it
    const connection = await connect(inspectedServer.server.url);
    const channel = await connection.createChannel();
    let code: number | undefined;
    channel.on("error", (error: Error & { code?: number }) => code = error.code);
    const declared = await channel.assertQueue(queue, { durable: true, arguments: typed(args) })
      .then(() => true, () => false);
    assertEquals([declared, code], [accepted, reply_code], `${queue} ${JSON.stringify(args)}`);
    await connection.close();
  }
});

/** Arguments with the types that the capture names; whole numbers are of 32 bits. */
function typed(args: Readonly<Record<string, string | number>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      const [, long] = /^64-bit integer (\d+)$/.exec(String(value)) ?? [];
      if (long !== undefined) return [name, { "!": "long", value: Number(long) }];
      return [name, typeof value === "number" ? { "!": "int", value } : value];
    }),
  );
}
