import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  actor,
  type Broker,
  BrokerConnectionError,
  MemcachedResultBackend,
  Message,
  RabbitmqBroker,
  RedisBroker,
} from "@dq/dramatiq";
import { Cluster } from "ioredis";
import { startForFile } from "../brokers/redis/fixture.ts";
import { testOwn } from "../servers/own.ts";
import { AUTHORITY, CERTIFICATE, KEY, writeCertificate } from "../support/servers/certificate.ts";
import { freePort } from "../support/servers/free_port.ts";
import { startOwnRabbitmq } from "../support/servers/rabbitmq.ts";
import { after } from "../support/test.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-tls-"));
const files = await writeCertificate(folder);
const host = "127.0.0.1";
const port = await freePort();
/** With a Redis that asks clients for a certificate. */
const { test } = await startForFile({
  args: [
    ...["--tls-port", `${port}`, "--tls-auth-clients", "yes"],
    ...["--tls-cert-file", files.cert, "--tls-key-file", files.key, "--tls-ca-cert-file", files.ca],
  ],
});
after(() => rm(folder, { recursive: true }));

const ca = AUTHORITY;
const tls = { ca };
const withCertificate = { ca, cert: CERTIFICATE, key: KEY };

/** Asserts that attempts fail as those of a connection do. */
async function assertRefused(attempt: () => Promise<unknown>): Promise<void> {
  const error = await attempt().then(() => undefined, (error) => error);
  assertInstanceOf(error, BrokerConnectionError);
}

async function assertRefusedBy(broker: Broker): Promise<void> {
  const work = actor(function work() {}, { broker });
  await assertRefused(() => work.send()); // after several attempts
  await broker.close();
}

async function assertRefusedByMemcached(servers: string): Promise<void> {
  const backend = new MemcachedResultBackend({ servers });
  const message = new Message({ queueName: "default", actorName: "work", args: [] });
  await assertRefused(() => backend.getResult(message));
  await backend.close();
}

test("RedisBroker takes servers, Sentinels and clusters that ask for a certificate for out of reach", async () => {
  const client = new Cluster([{ host, port }], { lazyConnect: true, redisOptions: { tls } });
  const sentinels = [{ host, port }];
  const brokers = [
    new RedisBroker({ connection: { host, port, tls } }),
    new RedisBroker({ connection: { sentinels, name: "main", sentinelTLS: tls } }),
    new RedisBroker({ client, namespace: "{dramatiq}" }),
    // And the other way round: a server with an untrusted certificate.
    new RedisBroker({ connection: { host, port, tls: { cert: CERTIFICATE, key: KEY } } }),
  ];
  await Promise.all(brokers.map(assertRefusedBy));
});

test("RedisBroker works with a server that asks for a certificate, and gets it", async () => {
  const broker = new RedisBroker({ connection: { host, port, tls: withCertificate } });
  const work = actor(function work() {}, { broker });
  const { messageId } = await work.send();
  const consumer = broker.consume("default");
  const [received] = await consumer.receive(1);
  assertEquals(received!.messageId, messageId);
  await consumer.close();
  await broker.close();
});

testOwn("rabbitmq-server")(
  "RabbitmqBroker takes a server that asks for a certificate for out of reach",
  async () => {
    const port = await freePort();
    await using _server = await startOwnRabbitmq({
      config:
        `{ssl_listeners, [{"127.0.0.1", ${port}}]}, {ssl_options, [{cacertfile, "${files.ca}"},
      {certfile, "${files.cert}"}, {keyfile, "${files.key}"}, {verify, verify_peer}, {fail_if_no_peer_cert, true}]}`,
    });
    const connection = { hostname: host, port, tls };
    await assertRefusedBy(new RabbitmqBroker({ connection }));

    const broker = new RabbitmqBroker({ connection: { ...connection, tls: withCertificate } });
    await actor(function work() {}, { broker }).send();
    await broker.close();
  },
);

test("Clients without TLS take a server with TLS for out of reach", async () => {
  await Promise.all([
    assertRefusedBy(new RedisBroker({ connection: { host, port } })),
    assertRefusedBy(new RabbitmqBroker({ connection: { hostname: host, port } })),
    assertRefusedByMemcached(`${host}:${port}`),
  ]);
});

test("Servers that reset connections, at once or when they are spoken to, end no process", async () => {
  await Promise.all([true, false].map(async (isWaiting) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      if (isWaiting) socket.once("data", () => socket.resetAndDestroy());
      else socket.resetAndDestroy();
    }).listen(0, host);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await Promise.all([
      ...[{ host, port }, { host, port, tls }]
        .map((connection) => assertRefusedBy(new RedisBroker({ connection }))),
      ...[{ hostname: host, port }, { hostname: host, port, tls }]
        .map((connection) => assertRefusedBy(new RabbitmqBroker({ connection }))),
      assertRefusedByMemcached(`${host}:${port}`),
    ]);
    server.close();
  }));
});
