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
  const model = { connection, createConfirmChannel: () => Promise.resolve(server) };
  let timesRoomWasMade = 0;
  const channels = new ConfirmChannels({ isReading, roomMade: () => timesRoomWasMade++ });
  const owner: ConfirmChannelOwner = {
    roomMade() {},
    stored() {},
    refused() {},
    returned() {},
    lost() {},
  };
  const whenUp = () => Promise.resolve(model);
  await channels.open({ whenUp } as unknown as RabbitmqConnection, true, owner);
  const messages = ["message 1", "message 2"];
  channels.current!.send(() => {
    const body = messages.shift();
    return body === undefined ? undefined : new Publication("q", body, new Receipt(1));
  });
  return { channels, server, timesRoomWasMade: () => timesRoomWasMade };
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
  assertEquals(silent.timesRoomWasMade(), 1);
  assertEquals(silent.channels.isBusy, true); // what is under way may still be confirmed
  assertEquals(slow.channels.current, slowChannel);
  assertEquals(blocked.channels.current, blockedChannel);
  assertEquals([slow.timesRoomWasMade(), blocked.timesRoomWasMade()], [0, 0]);
  for (const { channels } of [silent, slow, blocked]) await channels.close();
});
