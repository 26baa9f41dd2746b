import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { assertEquals } from "@std/assert";
import { receiveOne, work } from "../../../conformance/broker_messages.ts";
import type { ServerAddress } from "../../../support/servers/exchange.ts";
import { type FileServer, Fixture } from "../fixture.ts";

/** Method frames that the server sends while it is new to a client ("AMQP 0-9-1 Specification", 2.3.5). */
const ANSWERS = {
  "connection.open-ok": [1, 0, 0, 0, 0, 0, 5, 0, 10, 0, 41, 0, 0xce],
  "channel.open-ok": [1, 0, 1, 0, 0, 0, 8, 0, 20, 0, 11, 0, 0, 0, 0, 0xce],
  "confirm.select-ok": [1, 0, 1, 0, 0, 0, 4, 0, 85, 0, 11, 0xce],
  "queue.declare-ok": [0, 50, 0, 11],
};
/** `connection.close` with the code 320, CONNECTION_FORCED. */
const CLOSE = [1, 0, 0, 0, 0, 0, 14, 0, 10, 0, 50, 1, 64, 3, 98, 121, 101, 0, 0, 0, 0, 0xce];

/**
 * Passes everything on, until the server gives an answer for the first time: with it, in one chunk,
 * comes that it closes the connection.
 */
async function startCloser(
  target: ServerAddress,
  answer: Buffer,
): Promise<AsyncDisposable & { port: number }> {
  let hasClosed = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => [client, upstream].forEach((one) => one.destroy()));
    }
    client.on("data", (bytes: Buffer) => upstream.write(bytes));
    upstream.on("data", (bytes: Buffer) => {
      if (hasClosed || !bytes.includes(answer)) return client.write(bytes);
      hasClosed = true;
      client.write(Buffer.concat([bytes, Buffer.from(CLOSE)]));
      upstream.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** RabbitMQ closes a connection that is only just being used, as when it is stopped at that moment. */
export function earlyCloses(file: FileServer): void {
  for (const [name, bytes] of Object.entries(ANSWERS)) {
    file.test(`RabbitmqBroker goes on when the connection is closed together with ${name}`, async () => {
      await using fixture = new Fixture(file);
      await using closer = await startCloser(file.server, Buffer.from(bytes));
      const url = `amqp://guest:guest@127.0.0.1:${closer.port}`;
      const sender = fixture.open({ url });
      await sender.enqueue(work(fixture.queueName, 1));
      assertEquals((await fixture.counts()).ready, 1);

      await using other = await startCloser(file.server, Buffer.from(bytes));
      const receiver = fixture.open({ url: `amqp://guest:guest@127.0.0.1:${other.port}` });
      const consumer = receiver.consume(fixture.queueName);
      const message = await receiveOne(consumer);
      await consumer.ack([message]);
      await consumer.close();
    });
  }
}
