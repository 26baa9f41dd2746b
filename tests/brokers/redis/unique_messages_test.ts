import { assertEquals } from "@std/assert";
import { actor } from "@dq/dramatiq";
import { Monitor } from "./monitor.ts";
import { Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

test("RedisBroker looks for the message of a claim on its queue and its delay queue in one step", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const work = actor(() => {}, { broker, actorName: "work", queueName: "q", unique: true });
  const first = await work.sendWithOptions({ delay: 60_000 });
  await using monitor = await Monitor.open(server);
  const second = await work.sendWithOptions({ delay: 60_000 });
  assertEquals([first.isDuplicate, second.isDuplicate], [false, true]);
  // A message that is promoted between two looks seems gone, and another one is stored beside it.
  const looks = (await monitor.take()).filter(([name]) => name === "hexists");
  assertEquals(looks, []);
});
