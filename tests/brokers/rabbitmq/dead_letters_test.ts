import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect } from "amqplib";
import {
  ConnectionClosed,
  type DeadLetter,
  Message,
  RabbitmqBroker,
  type RabbitmqBrokerOptions,
} from "@dq/dramatiq";
import { firstArgs, receiveCount } from "../../conformance/broker_messages.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { startRabbitmq } from "../../support/servers/rabbitmq.ts";
import { until } from "../../support/servers/until.ts";
import { after, test } from "../../support/test.ts";

const server = await startRabbitmq();
const observer = await connect(server.url);
const channel = await observer.createConfirmChannel();
after(async () => {
  await observer.close();
  await server.stop();
});

/** A broker with a queue of its own, which is gone in the end. */
class Fixture implements AsyncDisposable {
  readonly queueName: string = `q_${crypto.randomUUID()}`;
  readonly broker: RabbitmqBroker;

  constructor(options: RabbitmqBrokerOptions = { url: server.url }) {
    this.broker = new RabbitmqBroker(options);
    this.broker.declareQueue(this.queueName);
  }

  /** Has messages die as they do in Python: RabbitMQ moves what is refused. */
  async bury(count: number, priority?: number): Promise<void> {
    await this.broker.getQueueMessageCounts(this.queueName); // declares it
    for (let i = 0; i < count; i++) {
      const message = new Message({ queueName: this.queueName, actorName: "work", args: [i] });
      const options = priority === undefined ? {} : { priority };
      const body = Buffer.from(String(message.encode()));
      channel.sendToQueue(this.queueName, body, options);
    }
    await channel.waitForConfirms();
    for (let i = 0; i < count; i++) {
      const got = await channel.get(this.queueName);
      if (got) channel.nack(got, false, false);
    }
    await this.holds({ ready: 0, dead: count });
  }

  async holds(wanted: { ready: number; dead: number }): Promise<void> {
    await until(async () => {
      const { ready, dead } = await this.broker.getQueueMessageCounts(this.queueName);
      return ready === wanted.ready && dead === wanted.dead;
    }, { what: `see ${JSON.stringify(wanted)}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
    for (const suffix of ["", ".DQ", ".XQ"]) await channel.deleteQueue(this.queueName + suffix);
  }
}

test("RabbitmqBroker.deadLetters knows the second in which RabbitMQ moved a message", async () => {
  await using fixture = new Fixture();
  const before = Date.now();
  await fixture.bury(3);
  const read: DeadLetter[] = [];
  for await (const dead of fixture.broker.deadLetters(fixture.queueName)) read.push(dead);
  assertEquals(firstArgs(read.map(({ message }) => message)), [0, 1, 2]);
  for (const { diedAt, traceback } of read) {
    assert(diedAt! > before - 2_000 && diedAt! < Date.now() + 2_000, `${diedAt}`);
    assertEquals(traceback, undefined); // Python leaves none at the end
  }
  await fixture.holds({ ready: 0, dead: 3 });
});

test("RabbitmqBroker.deadLetters gives back those of a lost connection, and settles none of them", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture({ url: `amqp://guest:guest@127.0.0.1:${proxy.port}` });
  await fixture.bury(5);
  const inFlight: DeadLetter[] = [];
  await assertRejects(async () => {
    for await (const dead of fixture.broker.deadLetters(fixture.queueName, { pageSize: 2 })) {
      inFlight.push(dead);
      if (inFlight.length === 3) await proxy.cut();
    }
  }, ConnectionClosed);
  for (const dead of inFlight) {
    await assertRejects(() => dead.requeue(), ConnectionClosed, "it is no longer in flight");
    await assertRejects(() => dead.drop(), ConnectionClosed, "Cannot drop a dead letter");
  }
  await fixture.holds({ ready: 0, dead: 5 });
});

test("DeadLetter of RabbitMQ is in flight as long as the loop runs, and not after", async () => {
  await using fixture = new Fixture();
  await fixture.bury(2);
  let last: DeadLetter | undefined;
  for await (const dead of fixture.broker.deadLetters(fixture.queueName)) last = dead;
  await assertRejects(() => last!.requeue(), ConnectionClosed, "it is no longer in flight");
  await fixture.holds({ ready: 0, dead: 2 });
});

test("RabbitmqBroker.deadLetters hides dead letters that another reader has in flight", async () => {
  await using fixture = new Fixture();
  await fixture.bury(4);
  let others = 0;
  for await (const dead of fixture.broker.deadLetters(fixture.queueName, { pageSize: 3 })) {
    if (dead.message.args[0] !== 0) continue;
    for await (const other of fixture.broker.deadLetters(fixture.queueName)) {
      others += 1;
      assertEquals(other.message.args, [3]);
      await other.drop();
    }
  }
  assertEquals(others, 1);
  await fixture.holds({ ready: 0, dead: 3 });
});

test("DeadLetter.requeue keeps the priority of a message of RabbitMQ", async () => {
  await using fixture = new Fixture({ url: server.url, maxPriority: 10 });
  await fixture.bury(1, 7);
  for await (const dead of fixture.broker.deadLetters(fixture.queueName)) await dead.requeue();
  await fixture.holds({ ready: 1, dead: 0 });
  const got = await channel.get(fixture.queueName, { noAck: true });
  assertEquals(got && got.properties.priority, 7);
});

for (const queueType of ["classic", "quorum"] as const) {
  test(`RabbitmqBroker.deadLetters reads and requeues those of ${queueType} queues`, async () => {
    await using fixture = new Fixture({ url: server.url, queueType });
    await fixture.bury(10);
    let count = 0;
    for await (const dead of fixture.broker.deadLetters(fixture.queueName, { pageSize: 4 })) {
      count += 1;
      if (dead.message.args[0] as number % 2 === 0) await dead.requeue();
    }
    assertEquals(count, 10);
    await fixture.holds({ ready: 5, dead: 5 });
    await using consumer = fixture.broker.consume(fixture.queueName, { prefetch: 5 });
    assertEquals(firstArgs(await receiveCount(consumer, 5)), [0, 2, 4, 6, 8]);
  });
}
