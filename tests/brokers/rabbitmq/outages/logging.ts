import { assert, assertEquals } from "@std/assert";
import { Worker } from "@dq/dramatiq";
import { withEnvironment } from "../../../support/environment.ts";
import { textOf, withLog } from "../../../support/log.ts";
import { startProxy } from "../../../support/servers/proxy.ts";
import { assertOneOutage } from "../../outages/outage.ts";
import { Traffic } from "../../outages/traffic.ts";
import { eventually, type FileServer, Fixture } from "../fixture.ts";
import { urlOf } from "./connections.ts";

const RABBITMQ = { category: ["dramatiq", "rabbitmq"] };

/** Log lines of all this. */
export function logging(file: FileServer): void {
  const { test, server } = file;

  test("RabbitmqBroker logs an outage once when it starts and once when it ends, however long it takes", () =>
    withEnvironment({ dramatiq_restart_delay: "50" }, () =>
      withLog(RABBITMQ, async (lines) => {
        await using proxy = await startProxy(server);
        await using fixture = new Fixture(file);
        const broker = fixture.open({ url: urlOf(proxy) });
        const traffic = new Traffic(fixture.queueName, broker);
        await using worker = new Worker(broker);
        await worker.start();
        await traffic.send(5);
        await traffic.untilAllRan();

        proxy.refuse();
        await proxy.cut();
        const sending = traffic.send(10);
        await eventually("log it", () => lines.length > 0);
        await sending; // Tried again and again, and given up.
        assertEquals(lines.length, 1, lines.map(textOf).join("\n"));
        await proxy.accept();
        await traffic.send(5);
        await traffic.untilAllRan(1);
        await worker.stop();
        await broker.close();
        assertOneOutage(lines, "RabbitMQ");
      })));

  test("RabbitmqBroker logs nothing when all goes well, its close included", () =>
    withLog(RABBITMQ, async (lines) => {
      await using fixture = new Fixture(file);
      const broker = fixture.open();
      const traffic = new Traffic(fixture.queueName, broker);
      await using worker = new Worker(broker);
      await worker.start();
      await traffic.send(5);
      await traffic.untilAllRan();
      await worker.stop();
      await broker.close();
      assertEquals(lines.map(textOf), []);
    }));

  test("RabbitmqBroker shows no password in its log", () =>
    withLog(RABBITMQ, async (lines) => {
      await using fixture = new Fixture(file);
      const broker = fixture.open({ url: `amqp://guest:s3cret@127.0.0.1:${server.port}` });
      await new Traffic(fixture.queueName, broker).send(1);
      await broker.close();
      for (const text of lines.map(textOf)) assert(!text.includes("s3cret"), text);
    }));
}
