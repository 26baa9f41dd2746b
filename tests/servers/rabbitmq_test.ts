import { stat } from "node:fs/promises";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exchange } from "../support/servers/exchange.ts";
import {
  attachRabbitmq,
  type RabbitmqServer,
  startOwnRabbitmq,
} from "../support/servers/rabbitmq.ts";
import { isAlive, testLong } from "./own.ts";

const test = testLong("rabbitmq-server");

/** Greeting of a server: what it says to a client that speaks another protocol: the version that it speaks. */
function greeting(server: RabbitmqServer): Promise<string> {
  return exchange(server, "HTTP\0\0\0\0", (received) => {
    return received.length < 8 ? undefined : received.toString("latin1", 0, 8);
  });
}

test("RabbitmqServer can be stopped, started, killed and restarted, and is gone after its dispose", async () => {
  await using rabbitmq = await startOwnRabbitmq({ config: "{consumer_timeout, 2000}" });
  assertEquals(rabbitmq.url, `amqp://guest:guest@127.0.0.1:${rabbitmq.port}`);
  assertEquals(await greeting(rabbitmq), "AMQP\0\0\x09\x01");
  assertStringIncludes(await rabbitmq.ctl("environment"), "{consumer_timeout,2000}");
  await rabbitmq.ctl("add_vhost", "kept");
  await using console = rabbitmq.openConsole();
  assertEquals(
    await console.evaluate("{ok, Ms} = application:get_env(rabbit, consumer_timeout), Ms."),
    2_000,
  );
  await assertRejects(() => console.evaluate("no:such_thing()."), Error, "undef");
  assertEquals((await console.counts()).size, 0);

  await rabbitmq.stopApp();
  await assertRejects(() => greeting(rabbitmq));
  const [vhosts] = await Promise.all([rabbitmq.ctl("list_vhosts"), rabbitmq.startApp()]);
  assertStringIncludes(vhosts, "kept"); // it waits until that can be told
  assertEquals(await greeting(rabbitmq), "AMQP\0\0\x09\x01");

  await rabbitmq.kill();
  await assertRejects(() => greeting(rabbitmq));
  await assertRejects(() => console.counts(), Error, "nodedown");
  await rabbitmq.restart();
  assertEquals((await console.counts()).size, 0);
  assertStringIncludes(await rabbitmq.ctl("list_vhosts"), "kept");
  await assertRejects(() => rabbitmq.ctl("no_such_command"), Error, "Cannot run ");

  const { pids, folder } = rabbitmq;
  assertEquals(pids.map(isAlive), [true, true]);
  await rabbitmq.stop();
  assertEquals(pids.map(isAlive), [false, false]);
  await assertRejects(() => stat(folder));
});

test("attachRabbitmq gives a server that cannot be controlled", async () => {
  await using attached = attachRabbitmq("amqp://guest:guest@localhost");

  assertEquals([attached.host, attached.port, attached.isOwn], ["localhost", 5672, false]);
  const reason = "the server at localhost:5672: it was not started here";
  await assertRejects(() => attached.stopApp(), Error, `Cannot control ${reason}`);
  await assertRejects(() => attached.kill(), Error, `Cannot kill ${reason}`);
});
