import { assertEquals } from "@std/assert";
import { brokerFromUrl, Worker } from "@dq/dramatiq";
import { receiveOne, work } from "../../../conformance/broker_messages.ts";
import { withEnvironment } from "../../../support/environment.ts";
import { freePort } from "../../../support/servers/free_port.ts";
import { startProxy, type TcpProxy } from "../../../support/servers/proxy.ts";
import { Traffic } from "../../outages/traffic.ts";
import { eventually, type FileServer, Fixture } from "../fixture.ts";
import { urlOf } from "./connections.ts";

/** Several addresses, of which one or the other does not answer. */
export function failover(file: FileServer): void {
  const { test, server } = file;

  async function shut(proxy: TcpProxy): Promise<void> {
    proxy.refuse();
    await proxy.cut();
  }

  test("RabbitmqBroker tries its addresses in order until one answers", async () => {
    await using fixture = new Fixture(file);
    await using silent = await startProxy(server);
    silent.freeze();
    const dead = `amqp://guest:guest@127.0.0.1:${await freePort()}`;
    const broker = fixture.open({ url: [dead, urlOf(silent), server.url], connectionTimeout: 300 });
    await broker.enqueue(work(fixture.queueName, 1));
    assertEquals((await receiveOne(broker.consume(fixture.queueName))).args, [1]);
    const address = { hostname: "127.0.0.1", username: "guest", password: "guest" };
    const another = fixture.open({
      connection: [{ ...address, port: await freePort() }, { ...address, port: server.port }],
    });
    await another.enqueue(work(fixture.queueName, 2));
  });

  test("brokerFromUrl takes several addresses in one text, of which the first that answers is used", async () => {
    await using fixture = new Fixture(file);
    const url = `amqp://127.0.0.1:${await freePort()};${file.server.url}`;
    const broker = brokerFromUrl(url);
    fixture.use(broker);
    await broker.enqueue(work(fixture.queueName, 1));
    assertEquals(await fixture.inspector.firstArgs(fixture.queueName), [1]);
  });

  test("RabbitmqBroker goes over to another address when the one that it has is gone, and back", () =>
    withEnvironment({ dramatiq_restart_delay: "50" }, async () => {
      await using fixture = new Fixture(file);
      await using one = await startProxy(server);
      await using two = await startProxy(server);
      const broker = fixture.open({ url: [urlOf(one), urlOf(two)] });
      const traffic = new Traffic(fixture.queueName, broker);
      await using worker = new Worker(broker);
      await worker.start();
      await traffic.send(20);
      await traffic.untilAllRan();
      assertEquals([one.connections > 0, two.connections], [true, 0]);

      await traffic.sendDuring(shut(one));
      await traffic.untilAllRan(1);
      await eventually("have both connections there", () => two.connections === 2);

      await one.accept();
      await traffic.sendDuring(shut(two));
      await traffic.untilAllRan(2);
      await eventually("have both connections here", () => one.connections === 2);
      await fixture.open().join(fixture.queueName);
      await worker.stop();
      traffic.assertRuns(2);
    }));
}
