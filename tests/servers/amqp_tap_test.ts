import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { connect } from "amqplib";
import { startTap } from "../support/servers/amqp_tap.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { after, test } from "../support/test.ts";

const rabbitmq = await startRabbitmq();
after(() => rabbitmq.stop());

test("AmqpTap tells what is said, with contents of any size", async () => {
  await using tap = await startTap(rabbitmq);
  const connection = await connect(tap.url);
  const channel = await connection.createConfirmChannel();
  const table = { "x-max-priority": 10, "x-expires": 60_000, "x-dead-letter-exchange": "żółć" };
  const queue = `tapped-${crypto.randomUUID()}`;
  await channel.assertQueue(queue, { durable: true, arguments: table });
  const headers = { list: [1, "two", { three: true }, null], big: 2 ** 40, half: 0.5, low: -1 };
  const bodies = [Buffer.alloc(0), Buffer.from("text"), Buffer.alloc(300_000, "x")];
  for (const body of bodies) {
    channel.sendToQueue(queue, body, { persistent: true, priority: 3, headers, mandatory: true });
  }
  await channel.waitForConfirms();
  let received = 0;
  const all = Promise.withResolvers<void>();
  await channel.consume(queue, (message) => {
    if (++received === bodies.length) {
      channel.ack(message!, true);
      all.resolve();
    }
  });
  await all.promise;
  await channel.deleteQueue(queue);
  await connection.close();

  const said = (name: string, from = "client") =>
    tap.methods.filter((one) => one.method === name && one.from === from);
  const [declared] = said("queue_declare");
  assertEquals(declared!.args["arguments"], table);
  assertEquals([declared!.args["durable"], declared!.args["passive"]], [true, false]);
  const published = said("basic_publish");
  assertEquals(published.map(({ body }) => body!.length), bodies.map(({ length }) => length));
  assertEquals(published[1]!.body!.toString(), "text");
  for (const { args, properties } of published) {
    assertEquals([args["exchange"], args["routing_key"], args["mandatory"]], ["", queue, true]);
    assertEquals(properties, { headers, delivery_mode: 2, priority: 3 });
  }
  const delivered = said("basic_deliver", "server");
  assertEquals(delivered.map(({ args }) => args["delivery_tag"]), [1, 2, 3]);
  assertEquals(delivered.map(({ body }) => body!.length), bodies.map(({ length }) => length));
  assertEquals(said("basic_ack").map(({ args }) => args), [{ delivery_tag: 3, multiple: true }]);
});
