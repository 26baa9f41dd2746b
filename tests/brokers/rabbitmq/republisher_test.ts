import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { ConnectionClosed, RequestRejected } from "@dq/dramatiq";
import type { Delivered } from "../../../brokers/rabbitmq/client.ts";
import { RabbitmqDelivery } from "../../../brokers/rabbitmq/delivery.ts";
import { Republisher, type RepublisherOwner } from "../../../brokers/rabbitmq/republisher.ts";
import { UnacknowledgedDeliveries } from "../../../brokers/rabbitmq/unacknowledged_deliveries.ts";
import type { Publication } from "../../../brokers/rabbitmq/publication.ts";
import type { RabbitmqSession } from "../../../brokers/rabbitmq/session.ts";
import { work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

const AWAY = new ConnectionClosed("the server is away");
const PAUSE = 3_000;

/** A republisher of one consumer, by a publisher that does what the test says. */
function ready(count: number) {
  const clock = new FakeClock();
  const published: Publication[] = [];
  const said: string[] = [];
  const open = new UnacknowledgedDeliveries();
  // A consumer ignores what it has lost.
  const say = (what: string, delivery: RabbitmqDelivery) => {
    if (open.delete(delivery)) said.push(`${what} ${delivery.tag}`);
  };
  const owner: RepublisherOwner = {
    moved: (deliveries) => deliveries.forEach((one) => say("ack", one)),
    republishFailed: (delivery) => say("give back", delivery),
    republishRejected: (delivery) => say("reject", delivery),
  };
  const session = { clock, confirmedPublisher: { add: (one: Publication) => published.push(one) } };
  const republisher = new Republisher(session as unknown as RabbitmqSession, owner);
  const deliveries = Array.from({ length: count }, (_, i) => {
    const raw = {
      fields: { deliveryTag: i + 1, redelivered: false },
      properties: {},
      content: Buffer.from(work("q", i).encode() as string),
    };
    const delivery = new RabbitmqDelivery(work("q", i), raw as unknown as Delivered);
    open.add(delivery);
    republisher.add(delivery, "q.DQ.16s");
    return delivery;
  });
  return { clock, published, said, open, republisher, deliveries };
}

test("Republisher acknowledges a message when the server has it elsewhere, not before", async () => {
  const { clock, published, said, republisher } = ready(2);
  const settling = republisher.settled();
  await clock.settle();
  assertEquals(said, []);
  published[0]!.sender.stored();
  await clock.settle();
  assertEquals(said, ["ack 1"]);
  published[1]!.sender.stored();
  await settling;
  assertEquals(said, ["ack 1", "ack 2"]);
});

test("Republisher gives back after a while a message that could not be stored elsewhere", async () => {
  const { clock, published, said, republisher, open } = ready(1);
  published[0]!.sender.failed(AWAY);
  await republisher.settled();
  await clock.advance(PAUSE - 1);
  assertEquals([said, open.size], [[], 1]); // not acknowledged, and not in a tight circle
  await clock.advance(1);
  assertEquals([said, open.size], [["give back 1"], 0]);
});

test("Republisher dead-letters a message that the server will never take", async () => {
  const { clock, published, said, open } = ready(1);
  published[0]!.sender.failed(new RequestRejected("it is too large"));
  await clock.advance(PAUSE);
  assertEquals([said, open.size], [["reject 1"], 0]);
});

test("Republisher acknowledges nothing whose channel is gone: it is delivered again", async () => {
  const { clock, published, said, open, republisher, deliveries } = ready(2);
  assertEquals(published.map(({ sender }) => sender.isNeeded!()), [true, true]);
  published[0]!.sender.stored(); // and before its acknowledgement is sent:
  open.clear();
  republisher.clear();
  assertEquals(published.map(({ sender }) => sender.isNeeded!()), [false, false]);
  published[1]!.sender.stored();
  published[1]!.sender.failed(AWAY);
  await clock.advance(PAUSE);
  assertEquals([said, deliveries.map(({ isOpen }) => isOpen)], [[], [false, false]]);
});

test("Republisher that is cleared leaves no timer, and gives back nothing later", async () => {
  const { clock, published, said, open, republisher } = ready(1);
  published[0]!.sender.failed(AWAY);
  open.clear();
  republisher.clear();
  assertEquals(clock.pendingTimers, 0);
  await clock.advance(PAUSE);
  assertEquals(said, []);
});

test("Republisher that stops gives back nothing: that is left to the channel, which keeps the order", async () => {
  const { clock, published, said, republisher } = ready(1);
  republisher.stop();
  published[0]!.sender.failed(AWAY);
  await republisher.settled();
  assertEquals([said, clock.pendingTimers], [[], 0]);
});
