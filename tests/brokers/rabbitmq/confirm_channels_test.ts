import { EventEmitter } from "node:events";
import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import type { RabbitmqConnection } from "../../../brokers/rabbitmq/connection.ts";
import type { ConfirmChannelOwner } from "../../../brokers/rabbitmq/confirm_channel.ts";
import { ConfirmChannels } from "../../../brokers/rabbitmq/confirm_channels.ts";
import { Publication, Receipt } from "../../../brokers/rabbitmq/publication.ts";
import { withShortTimers } from "../../support/short_timers.ts";
import { test } from "../../support/test.ts";

/** Milliseconds without a confirmation after which a channel is left. */
const LONGEST_SILENCE = 5_000;
/** Milliseconds that tell what hangs from what takes its time on a busy machine. */
const HANGS = 30_000;

/** Channels to a server that says what a test wants it to say, with a message under way. */
async function busyChannels({ isReading = true, left = () => {} } = {}) {
  const server = Object.assign(new EventEmitter(), { ch: 1, close: () => Promise.resolve() });
  const stream = Object.assign(new EventEmitter(), { write: () => true, destroy: () => {} });
  const connection = { stream, frameMax: 4_096, serverProperties: {} };
  const model = { connection };
  const told: string[] = [];
  const channels = new ConfirmChannels({
    isReading,
    roomMade() {
      told.push("room made");
      left();
    },
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

test("ConfirmChannels leaves a channel on which nothing is confirmed, and no other", () =>
  withShortTimers(LONGEST_SILENCE, async () => {
    const slow = await busyChannels();
    const blocked = await busyChannels({ isReading: false });
    const atThatTime = Promise.withResolvers<unknown>();
    const silent = await busyChannels({
      left: () => atThatTime.resolve([slow.channels.current, blocked.channels.current]),
    });
    const others = [slow.channels.current, blocked.channels.current];
    // The last one is looked at last, so that the others have been looked at by then.
    for (const { channels } of [slow, blocked, silent]) channels.watch();
    slow.server.emit("ack", { deliveryTag: 1, multiple: false });

    assertEquals(await deadline(atThatTime.promise, HANGS), others);
    assertEquals(silent.told, ["q stalled", "room made"]);
    assertEquals(silent.channels.current, undefined);
    assertEquals(silent.channels.isBusy, true); // what is under way may still be confirmed
    assertEquals(blocked.told, []);
    for (const { channels } of [silent, slow, blocked]) await channels.close();
  }));
