import { assert, assertEquals, assertGreater, assertInstanceOf, assertRejects } from "@std/assert";
import { actor, BrokerError, ConnectionFailed, Message } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { textOf, withLog } from "../../../support/log.ts";
import { type FileServer, Fixture, numbers } from "../fixture.ts";
import { firstArgOf } from "../inspector.ts";

/** Sending, when nothing goes wrong, or only what is sent. */
export function publishing(file: FileServer): void {
  const { test } = file;

  test("RabbitmqBroker has thousands of messages under way at once, in order, and waits for all confirms", async () => {
    await using fixture = new Fixture(file);
    const { broker, tap } = await fixture.openTapped();
    const note = actor((_n: number) => {}, {
      ...{ broker, queueName: fixture.queueName, actorName: "note" },
    });
    await note.send(-1);
    tap.take();
    await Promise.all(numbers(3_000).map((n) => note.send(n)));
    await note.sendMany(numbers(2_000).map((n) => [3_000 + n]));
    assertEquals(mostUnderWay(tap.take()) > 1_000, true);
    const stored = await fixture.inspector.takeAll(fixture.queueName);
    assertEquals(stored.map(firstArgOf), [-1, ...numbers(5_000)]);
  });

  test("RabbitmqBroker.enqueue resolves only when the server has the message", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    for (const n of numbers(20)) {
      await broker.enqueue(work(fixture.queueName, n));
      assertEquals((await fixture.counts()).ready, n + 1);
    }
  });

  test("RabbitmqBroker gives up in the end what RabbitMQ refuses, and sends the rest meanwhile", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    await broker.enqueue(work(queueName, 1));
    const policy = { "max-length": 1, "overflow": "reject-publish" };
    await file.console.setPolicy("full", `^${queueName}$`, policy);
    await withLog({ category: ["dramatiq", "rabbitmq"] }, async (lines) => {
      const refused = assertRejects(
        () => Promise.all([2, 3].map((n) => broker.enqueue(work(queueName, n)))),
        ConnectionFailed,
        `Cannot send to queue "${queueName}": RabbitMQ has refused it for `,
      );
      let sent = 0;
      let isOver = false;
      const ended = refused.finally(() => isOver = true);
      while (!isOver) {
        await broker.enqueue(work(`${queueName}_other`, sent++));
      }
      await ended;
      assertEquals((await fixture.counts("_other")).ready, sent);
      assertGreater(sent, 10);
      assertEquals(lines.map(textOf), [
        `Retrying messages refused by RabbitMQ for queue ${queueName}, on other channels, ` +
        "for 5000 ms",
      ]);
      await file.console.clearPolicy("full");
      await broker.enqueue(work(queueName, 4));
      assertEquals(lines.length, 2);
    });
  });

  test("RabbitmqBroker sends messages larger than a frame as they are", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const texts = [131_064, 131_072, 1_000_000, 9_000_000].map((length) => "x".repeat(length));
    const sent = await Promise.all(
      texts.map((text) => broker.enqueue(work(fixture.queueName, text))),
    );
    const stored = await fixture.inspector.takeAll(fixture.queueName);
    for (const [i, { content }] of stored.entries()) {
      assert(new TextEncoder().encode(`${sent[i]!.encode()}`).length === content.length);
      assert(content.toString() === sent[i]!.encode());
    }
    assertEquals(stored.length, texts.length);
  });

  test("RabbitmqBroker sends nothing of what cannot be encoded, and all that is sent beside it", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    const outcomes = await Promise.allSettled([
      broker.enqueue(work(queueName, 1)),
      broker.enqueue(work(queueName, 2n)),
      broker.enqueueMany([work(queueName, 3), work(queueName, 4n), work(queueName, 5)]),
      broker.enqueue(work(queueName, 6)),
    ]);
    assertEquals(
      outcomes.map((one) => one.status === "rejected" && one.reason instanceof TypeError),
      [false, true, true, false],
    );
    assertEquals(await fixture.inspector.firstArgs(queueName), [1, 6]);
  });

  test("RabbitmqBroker.enqueue rejects what the server refuses, and only that", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    await broker.enqueue(work(queueName, 0));
    const policy = { "max-length": 2, "overflow": "reject-publish" };
    await file.console.setPolicy(queueName, `^${queueName}$`, policy);

    const outcomes = await Promise.allSettled(
      numbers(5).map((n) => broker.enqueue(work(queueName, n + 1))),
    );
    const refused = outcomes.filter((one) => one.status === "rejected");
    for (const { reason } of refused) {
      assertInstanceOf(reason, BrokerError);
      assert(reason.message.includes(queueName), reason.message);
    }
    const stored = await fixture.inspector.firstArgs(queueName);
    const confirmed = numbers(5).filter((i) => outcomes[i]!.status === "fulfilled");
    assertEquals(stored, [0, ...confirmed.map((i) => i + 1)]);
    assert(refused.length >= 3, `${refused.length} were refused`);
    await assertRejects(() => broker.enqueueMany([work(queueName, 9)]), BrokerError);
    await file.console.clearPolicy(queueName);
  });

  test("RabbitmqBroker without confirms sends all the same, and asks for none", async () => {
    await using fixture = new Fixture(file);
    const { broker, tap } = await fixture.openTapped({ confirmDelivery: false });
    await broker.enqueueMany(numbers(100).map((n) => work(fixture.queueName, n)));
    await fixture.untilCounts("", 100);
    const methods = tap.methods.map(({ method }) => method);
    assertEquals(methods.includes("confirm_select"), false);
    assertEquals(await fixture.inspector.firstArgs(fixture.queueName), numbers(100));
  });

  test("RabbitmqBroker keeps what passes through as Python wrote it, byte for byte", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    const text = `{"queue_name":"${queueName}","actor_name":"work","args":[1.0,9007199254740993,` +
      '"\\u017c"],"kwargs":{},"options":{"tenant":1e+16},"message_id":"a","message_timestamp":5}';
    await broker.enqueue(Message.decode(new TextEncoder().encode(text)));
    const [stored] = await fixture.inspector.takeAll(queueName);
    assertEquals(stored!.content.toString(), text);
  });
}

/** Number of messages that were published at the most and not confirmed. */
function mostUnderWay(
  methods: readonly { method: string; from: string; args: Readonly<Record<string, unknown>> }[],
): number {
  let [published, confirmed, most] = [0, 0, 0];
  let first = Infinity;
  for (const { method, from, args } of methods) {
    if (method === "basic_publish") published++;
    if (method === "basic_ack" && from === "server") {
      first = Math.min(first, args["delivery_tag"] as number);
      confirmed = (args["delivery_tag"] as number) - first + 1;
    }
    most = Math.max(most, published - confirmed);
  }
  return most;
}
