import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConnectionFailed, Message, RabbitmqBroker } from "@dq/dramatiq";
import { toOverviews } from "../../brokers/rabbitmq/queue_overviews.ts";
import { testLong } from "../servers/own.ts";
import { freePort } from "../support/servers/free_port.ts";
import { startOwnRabbitmq } from "../support/servers/rabbitmq.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";

testLong("rabbitmq-server")(
  "RabbitmqInspector tells with managementUrl what is unacknowledged, and finds queues",
  async () => {
    const managementPort = await freePort();
    const server = await startOwnRabbitmq({ managementPort });
    try {
      const managementUrl = `http://127.0.0.1:${managementPort}`;
      await using other = new RabbitmqBroker({ url: server.url });
      other.declareQueue("theirs");
      const messages = Array.from(
        { length: 3 },
        (_, i) => new Message({ queueName: "theirs", actorName: "a", args: [i] }),
      );
      await other.enqueueMany(messages);
      await other.enqueue(messages[0]!, { delay: { minutes: 5 } });
      await using consumer = other.consume("theirs", { prefetch: 2 });
      await consumer.receive(1);

      await using broker = new RabbitmqBroker({ url: server.url, managementUrl });
      broker.declareQueue("own");
      await using inspector = broker.inspect();
      assert(inspector.abilities.has("unacknowledged"));
      const theirs = async () =>
        (await inspector.overview()).queues.find(({ queueName }) => queueName === "theirs");
      await eventually("count", async () => (await theirs())?.unacknowledged === 2);
      const { ready, unacknowledged, delayed, dead } = (await theirs())!;
      assertEquals([ready, unacknowledged, delayed, dead], [1, 2, 1, 0]);
      const { queues } = await inspector.overview();
      assertEquals(queues.map(({ queueName }) => queueName), ["own", "theirs"]);

      const wrong = new URL(managementUrl);
      wrong.username = "ada";
      wrong.password = "secret";
      await using stranger = new RabbitmqBroker({ url: server.url, managementUrl: wrong });
      await using refused = stranger.inspect();
      const error = await assertRejects(() => refused.overview(), ConnectionFailed, "401");
      assert(!error.message.includes("secret"));
    } finally {
      await server.stop();
    }
  },
);

test("toOverviews leaves out the numbers of a queue that is unavailable", () => {
  const running = { state: "running", messages_ready: 2, messages_unacknowledged: 1 };
  const stopped = { state: "stopped" };
  const found = [
    { name: "a", ...stopped },
    { name: "a.DQ", ...running },
    { name: "a.XQ", ...running },
    { name: "b", ...running },
    { name: "b.DQ", ...stopped },
    { name: "c", ...running },
    { name: "c.DQ", state: "running" }, // has no totals yet
  ];
  const counts = toOverviews(found, ["d"]).map((one) =>
    [one.queueName, one.ready, one.delayed, one.unacknowledged, one.dead].join()
  );
  assertEquals(counts, ["a,,3,,2", "b,2,,1,0", "c,2,0,1,0", "d,0,0,0,0"]);
});

test("RabbitmqBroker refuses an invalid managementUrl", () => {
  assertThrows(() => new RabbitmqBroker({ managementUrl: "host:15672" }), TypeError, "http://");
});
