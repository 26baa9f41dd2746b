import { EventEmitter } from "node:events";
import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import type { Model } from "../../../brokers/rabbitmq/client.ts";
import { ConsumerChannels } from "../../../brokers/rabbitmq/consumer_channels.ts";
import { test } from "../../support/test.ts";

test("ConsumerChannels keeps queues that cannot be consumed off the channels of others", async () => {
  let opened = 0;
  const model = {
    connection: { channelMax: 2, stream: {} }, // one for consumers, as one is left for other purposes
    createChannel: () => Promise.resolve(Object.assign(new EventEmitter(), { ch: ++opened })),
  } as unknown as Model;
  const user = () => ({ channelLost() {} });
  const channels = new ConsumerChannels();
  const first = await channels.join(model, "well", user());
  assertStrictEquals(await channels.join(model, "also_well", user()), first);
  channels.suspect("exclusive");
  channels.suspect("forbidden");
  const second = await channels.join(model, "exclusive", user());
  assertNotStrictEquals(second, first);
  assertStrictEquals(await channels.join(model, "forbidden", user()), second);
  channels.trust("exclusive");
  assertStrictEquals(await channels.join(model, "exclusive", user()), first);
  assertEquals(opened, 2);
});
