import { EventEmitter } from "node:events";
import { assertEquals } from "@std/assert";
import type { RabbitmqConnection } from "../../../brokers/rabbitmq/connection.ts";
import type { ConfirmChannelOwner } from "../../../brokers/rabbitmq/confirm_channel.ts";
import { ConfirmChannels } from "../../../brokers/rabbitmq/confirm_channels.ts";
import { Publication, Receipt } from "../../../brokers/rabbitmq/publication.ts";
import { eventually } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";

/** Channels to a server that says what a test wants it to say, with a message under way. */
async function busyChannels({ isReading = true } = {}) {
  const server = Object.assign(new EventEmitter(), { ch: 1, close: () => Promise.resolve() });
  const stream = Object.assign(new EventEmitter(), { write: () => true, destroy: () => {} });
  const connection = { stream, frameMax: 4_096, serverProperties: {} };
  const model = { connection };
  const told: string[] = [];
  const channels = new ConfirmChannels({
    isReading,
    roomMade: () => told.push("room made"),
    stalled: (queueName) => told.push(`${queueName} stalled`),
  });
  const owner: ConfirmChannelOwner = {
    roomMade() {},
    stored() {},
    refused() {},
    returned() {},
    lost() {},
  };
  const up = {
    whenUp: () => Promise.resolve(model),
    openChannel: () => Promise.resolve({ model, channel: server }),
  };
  await channels.open(up as unknown as RabbitmqConnection, true, owner);
  const messages = ["message 1", "message 2"];
  channels.current!.send(() => {
    const body = messages.shift();
    return body === undefined ? undefined : new Publication("q", body, new Receipt(1));
  });
  return { channels, server, told };
}

test("ConfirmChannels leaves a channel on which nothing is confirmed, and no other", async () => {
  const silent = await busyChannels();
  const slow = await busyChannels();
  const blocked = await busyChannels({ isReading: false });
  // The last one is looked at last, so that the others have been looked at when it was.
  for (const { channels } of [slow, blocked, silent]) channels.watch();
  slow.server.emit("ack", { deliveryTag: 1, multiple: false });
  const [slowChannel, blockedChannel] = [slow.channels.current, blocked.channels.current];

  await eventually("leave the silent channel", () => silent.channels.current === undefined);
  assertEquals(silent.told, ["q stalled", "room made"]);
  assertEquals(silent.channels.isBusy, true); // what is under way may still be confirmed
  assertEquals(slow.channels.current, slowChannel);
  assertEquals(blocked.channels.current, blockedChannel);
  assertEquals([slow.told, blocked.told], [[], []]);
  for (const { channels } of [silent, slow, blocked]) await channels.close();
});
