import { EventEmitter } from "node:events";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Channel, Model } from "../../../brokers/rabbitmq/client.ts";
import { Publication, Receipt } from "../../../brokers/rabbitmq/publication.ts";
import {
  ConfirmChannel,
  type ConfirmChannelOwner,
} from "../../../brokers/rabbitmq/confirm_channel.ts";
import { test } from "../../support/test.ts";

/** Events that a channel tells its owner, by the text of the messages. */
class Owner implements ConfirmChannelOwner {
  readonly outcomes: Record<"stored" | "refused" | "returned" | "lost", string[]> = {
    stored: [],
    refused: [],
    returned: [],
    lost: [],
  };

  roomMade(): void {}
  stored({ body }: Publication): void {
    this.outcomes.stored.push(String(body));
  }
  refused({ body }: Publication): void {
    this.outcomes.refused.push(String(body));
  }
  returned({ body }: Publication): void {
    this.outcomes.returned.push(String(body));
  }
  lost(_channel: ConfirmChannel, underWay: Publication[]): void {
    this.outcomes.lost.push(...underWay.map(({ body }) => String(body)));
  }
}

/** A channel, and the server at its other end, which emits what a test wants. */
function channelTo(owner: Owner): { channel: ConfirmChannel; server: EventEmitter } {
  const server = Object.assign(new EventEmitter(), { ch: 1 });
  const stream = Object.assign(new EventEmitter(), { write: () => true, destroy: () => {} });
  const connection = { stream, frameMax: 4_096, serverProperties: {} };
  const model = { connection } as unknown as Model;
  return { channel: new ConfirmChannel(model, server as unknown as Channel, true, owner), server };
}

function sendAll(channel: ConfirmChannel, texts: readonly string[]): void {
  const left = texts.map((text) => new Publication("q", text, new Receipt(1)));
  channel.send(() => left.shift());
}

const texts = (count: number) => Array.from({ length: count }, (_, i) => `message ${i + 1}`);

test("ConfirmChannel tells once of each message, in whatever pieces the server confirms", () => {
  const words = fc.array(
    fc.record({ deliveryTag: fc.integer({ min: 1, max: 20 }), multiple: fc.boolean() }),
    { maxLength: 40 },
  );
  fc.assert(fc.property(words, (confirmations) => {
    const owner = new Owner();
    const { channel, server } = channelTo(owner);
    const all = texts(20);
    sendAll(channel, all);
    const open = new Set(all.keys());
    const outcomes = new Set<number>();
    for (const { deliveryTag, multiple } of confirmations) {
      // A server confirms nothing twice.
      if (!open.has(deliveryTag - 1)) continue;
      for (const i of [...open]) {
        if (i === deliveryTag - 1 || (multiple && i < deliveryTag)) {
          open.delete(i);
          outcomes.add(i);
        }
      }
      server.emit("ack", { deliveryTag, multiple });
      assertEquals(
        owner.outcomes.stored.toSorted(),
        all.filter((_, i) => outcomes.has(i)).toSorted(),
      );
      assertEquals(channel.isBusy, open.size > 0);
    }
    server.emit("ack", { deliveryTag: 20, multiple: true });
    assertEquals([owner.outcomes.stored.length, channel.isBusy], [20, false]);
  }));
});

test("ConfirmChannel refuses what the server refuses, and what it had no queue for", () => {
  const owner = new Owner();
  const { channel, server } = channelTo(owner);
  sendAll(channel, texts(4));
  const content = new TextEncoder().encode("message 3");
  server.emit("return", { fields: { routingKey: "q" }, properties: {}, content });
  server.emit("nack", { deliveryTag: 1, multiple: false });
  server.emit("ack", { deliveryTag: 4, multiple: true });
  assertEquals(owner.outcomes.stored, ["message 2", "message 4"]);
  assertEquals([owner.outcomes.refused, owner.outcomes.returned], [["message 1"], ["message 3"]]);
});

test("ConfirmChannel hands back what is under way when its channel closes, in order", () => {
  const owner = new Owner();
  const { channel, server } = channelTo(owner);
  sendAll(channel, texts(5));
  server.emit("ack", { deliveryTag: 2, multiple: false });
  server.emit("close");
  assertEquals(owner.outcomes.lost, ["message 1", "message 3", "message 4", "message 5"]);
  assertEquals([channel.isBusy, channel.hasRoom], [false, false]);
});

test("ConfirmChannel has room for 16,384 messages, and again for those that are confirmed", () => {
  const owner = new Owner();
  const { channel, server } = channelTo(owner);
  let sent = 0;
  const endless = () => new Publication("q", `${sent++}`, new Receipt(1));
  channel.send(endless);
  assertEquals([sent, channel.hasRoom], [16_384, false]);
  server.emit("ack", { deliveryTag: 100, multiple: true });
  channel.send(endless);
  assertEquals([sent, channel.hasRoom], [16_484, false]);
});

test("ConfirmChannel is done with what was given up, and says nothing of it later", () => {
  const owner = new Owner();
  const { channel, server } = channelTo(owner);
  sendAll(channel, texts(3));
  assertEquals(channel.abandon().map(({ body }) => body), texts(3));
  assertEquals(channel.isBusy, false);
  server.emit("ack", { deliveryTag: 3, multiple: true });
  assertEquals(owner.outcomes.stored, []);
});
