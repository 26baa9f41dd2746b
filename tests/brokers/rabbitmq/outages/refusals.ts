import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { BrokerConnectionError, ConnectionFailed, type RabbitmqBroker } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { freePort } from "../../../support/servers/free_port.ts";
import { type FileServer, Fixture } from "../fixture.ts";

/** Failures that do not get better by waiting, or takes too long to. */
export function refusals(file: FileServer): void {
  const { test, server } = file;

  /** Failures of all that needs the server. */
  async function failuresOf(broker: RabbitmqBroker, queueName: string): Promise<Error[]> {
    return await Promise.all([
      assertRejects(() => broker.enqueue(work(queueName, 1)), BrokerConnectionError),
      assertRejects(() => broker.enqueueMany([work(queueName, 1)], { delay: 1 }), Error),
      assertRejects(() => broker.getQueueMessageCounts(queueName), Error),
      assertRejects(() => broker.flush(queueName), Error),
      assertRejects(() => broker.join(queueName), Error),
    ]);
  }

  /** Addresses that lead nowhere, and what is to be told of each. */
  const REFUSALS: [what: string, url: () => Promise<string>, part: RegExp][] = [
    [
      "there is no RabbitMQ",
      async () => `amqp://guest:s3cret@127.0.0.1:${await freePort()}`,
      /127\.0\.0\.1:\d+.*ECONNREFUSED/,
    ],
    [
      "the password is wrong",
      () => Promise.resolve(`amqp://guest:s3cret@127.0.0.1:${server.port}`),
      /ACCESS.REFUSED|403/,
    ],
    [
      "there is no such virtual host",
      () => Promise.resolve(`${server.url}/s3cret`),
      /virtual host/,
    ],
  ];

  // Reference: ConnectionFailed
  test("RabbitmqBroker fails with the reason when it cannot connect, and shows no password", async () => {
    await using fixture = new Fixture(file);
    // At once: it takes some seconds until one that may come back is given up.
    await Promise.all(REFUSALS.map(async ([what, url, part]) => {
      const broker = fixture.open({ url: await url() });
      for (const failure of await failuresOf(broker, fixture.queueName)) {
        assertInstanceOf(failure, ConnectionFailed, what);
        assertInstanceOf(failure.cause, Error, what);
        assert(part.test(failure.message), `${what}: ${failure.message}`);
        assert(!failure.message.includes(":s3cret"), failure.message);
      }
    }));
  });

  test("RabbitmqBroker says which queue a user may not use", async () => {
    await using fixture = new Fixture(file);
    await file.console.addUser("nobody", "right");
    await file.console.setPermissions("nobody", "^$");
    const broker = fixture.open({ url: `amqp://nobody:right@127.0.0.1:${server.port}` });
    const consumer = broker.consume(fixture.queueName);
    const failures = [
      await assertRejects(() => broker.enqueue(work(fixture.queueName, 1)), BrokerConnectionError),
      await assertRejects(() => consumer.receive(1), BrokerConnectionError),
    ];
    for (const { message } of failures) {
      assert(/ACCESS.REFUSED|403/.test(message), message);
      assert(message.includes(fixture.queueName), message);
    }
    // As soon as it may, all is well.
    await file.console.setPermissions("nobody", ".*");
    await broker.enqueue(work(fixture.queueName, 1));
    assertEquals((await fixture.counts()).ready, 1);
  });
}
