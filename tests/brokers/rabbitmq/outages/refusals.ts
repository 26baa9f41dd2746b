import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { BrokerConnectionError, ConnectionFailed, type RabbitmqBroker } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { freePort } from "../../../support/servers/free_port.ts";
import { type FileServer, Stage } from "../stage.ts";

/** What does not get better by waiting, or takes too long to. */
export function refusals(file: FileServer): void {
  const { test, server } = file;

  /** How all that needs the server fails. */
  async function failuresOf(broker: RabbitmqBroker, queueName: string): Promise<Error[]> {
    return await Promise.all([
      assertRejects(() => broker.enqueue(work(queueName, 1)), BrokerConnectionError),
      assertRejects(() => broker.enqueueMany([work(queueName, 1)], { delay: 1 })),
      assertRejects(() => broker.getQueueMessageCounts(queueName)),
      assertRejects(() => broker.flush(queueName)),
      assertRejects(() => broker.join(queueName)),
    ]);
  }

  test("RabbitmqBroker fails with the reason when there is no RabbitMQ", async () => {
    await using stage = new Stage(file);
    const port = await freePort();
    const broker = stage.open({ url: `amqp://guest:s3cret@127.0.0.1:${port}` });
    for (const failure of await failuresOf(broker, stage.queueName)) {
      assertInstanceOf(failure, ConnectionFailed);
      assert(failure.message.includes("ECONNREFUSED"), failure.message);
      assert(failure.message.includes(`127.0.0.1:${port}`), failure.message);
      assert(!failure.message.includes("s3cret"), failure.message);
      assertInstanceOf(failure.cause, Error);
    }
  });

  const refused: [what: string, url: () => string, part: RegExp][] = [
    [
      "the password is wrong",
      () => `amqp://guest:s3cret@127.0.0.1:${server.port}`,
      /ACCESS.REFUSED|403/,
    ],
    ["there is no such virtual host", () => `${server.url}/s3cret`, /vhost|virtual host/i],
  ];
  for (const [what, url, part] of refused) {
    test(`RabbitmqBroker fails with what RabbitMQ says when ${what}`, async () => {
      await using stage = new Stage(file);
      const broker = stage.open({ url: url() });
      const failures = await failuresOf(broker, stage.queueName);
      for (const { message } of failures) {
        assert(part.test(message), message);
        assert(!message.includes(":s3cret"), message);
      }
    });
  }

  test("RabbitmqBroker says which queue a user may not use", async () => {
    await using stage = new Stage(file);
    await server.ctl("add_user", "nobody", "right");
    await server.ctl("set_permissions", "nobody", "^$", "^$", "^$");
    const broker = stage.open({ url: `amqp://nobody:right@127.0.0.1:${server.port}` });
    const consumer = broker.consume(stage.queueName);
    const failures = [
      await assertRejects(() => broker.enqueue(work(stage.queueName, 1)), BrokerConnectionError),
      await assertRejects(() => consumer.receive(1), BrokerConnectionError),
    ];
    for (const { message } of failures) {
      assert(/ACCESS.REFUSED|403/.test(message), message);
      assert(message.includes(stage.queueName), message);
    }
    // As soon as it may, all is well.
    await server.ctl("set_permissions", "nobody", ".*", ".*", ".*");
    await broker.enqueue(work(stage.queueName, 1));
    assertEquals((await stage.counts()).ready, 1);
  });
}
