import { assertEquals } from "@std/assert";
import { Message } from "@dq/dramatiq";
import fc from "fast-check";
import type { Channel, Delivered } from "../../../brokers/rabbitmq/client.ts";
import { RabbitmqDelivery } from "../../../brokers/rabbitmq/delivery.ts";
import { UnacknowledgedDeliveries } from "../../../brokers/rabbitmq/unacknowledged_deliveries.ts";
import { test } from "../../support/test.ts";

function delivery(deliveryTag: number): RabbitmqDelivery {
  const raw = {
    fields: { deliveryTag, redelivered: false, routingKey: "q" },
    properties: {},
    content: new Uint8Array(),
  };
  return new RabbitmqDelivery(new Message({ queueName: "q", actorName: "a", args: [] }), raw);
}

/** Acknowledgements as a server sees them: unknown ones close the channel. */
class Ledger {
  readonly unacknowledged: Set<number> = new Set();
  words = 0;

  readonly channel = {
    ack: (message: Delivered, allUpTo = false): void => {
      const { deliveryTag } = message.fields;
      this.words += 1;
      if (!this.unacknowledged.delete(deliveryTag)) throw new Error(`unknown tag ${deliveryTag}`);
      if (!allUpTo) return;
      for (const tag of this.unacknowledged) {
        if (tag < deliveryTag) this.unacknowledged.delete(tag);
      }
    },
  } as unknown as Channel;
}

test("UnacknowledgedDeliveries acknowledges exactly what was settled, whatever the order", () => {
  fc.assert(fc.property(
    fc.array(fc.array(fc.nat({ max: 30 }), { maxLength: 8 }), { maxLength: 20 }),
    (batches) => {
      const open = new UnacknowledgedDeliveries();
      const ledger = new Ledger();
      const deliveries = Array.from({ length: 31 }, (_, i) => delivery(i + 1));
      for (const one of deliveries) {
        open.add(one);
        ledger.unacknowledged.add(one.tag);
      }
      const left = new Set(deliveries.map(({ tag }) => tag));
      for (const batch of batches) {
        const settled = batch.map((i) => deliveries[i]!).filter((one) => open.delete(one));
        for (const { tag } of settled) left.delete(tag);
        open.acknowledge(ledger.channel, settled);
        assertEquals([...ledger.unacknowledged], [...left]);
        assertEquals([...open].map(({ tag }) => tag), [...left]);
        assertEquals(open.size, left.size);
      }
    },
  ));
});

test("UnacknowledgedDeliveries acknowledges with one word what has nothing open before it", () => {
  const open = new UnacknowledgedDeliveries();
  const ledger = new Ledger();
  const deliveries = Array.from({ length: 100 }, (_, i) => delivery(i + 1));
  for (const one of deliveries) {
    open.add(one);
    ledger.unacknowledged.add(one.tag);
  }
  const settled = deliveries.slice(0, 90).toReversed();
  for (const one of settled) open.delete(one);
  open.acknowledge(ledger.channel, settled);
  assertEquals(ledger.words, 1);
  assertEquals(ledger.unacknowledged.size, 10);
});

test("UnacknowledgedDeliveries forgets all when their channel is gone", () => {
  const open = new UnacknowledgedDeliveries();
  const deliveries = [1, 2, 3].map(delivery);
  for (const one of deliveries) open.add(one);
  open.clear();
  assertEquals([open.size, ...open], [0]);
  assertEquals(deliveries.map((one) => open.delete(one)), [false, false, false]);
});
