import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
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
const { server: redis, test } = await startForFile({
  args: [
    ...["--tls-port", `${port}`, "--tls-auth-clients", "yes"],
    ...["--tls-cert-file", files.cert, "--tls-key-file", files.key, "--tls-ca-cert-file", files.ca],
  ],
});
after(() => rm(folder, { recursive: true }));

const ca = AUTHORITY;
const tls = { ca };
const withCertificate = { ca, cert: CERTIFICATE, key: KEY };

/** Asserts that attempts fail as those of a connection do, with an error that ends in a text. */
async function assertRefused(attempt: () => Promise<unknown>, ending: string): Promise<void> {
  const error = await attempt().then(() => undefined, (error) => error);
  assertInstanceOf(error, BrokerConnectionError);
  assert(error.message.endsWith(ending), error.message);
}

async function assertRefusedBy(broker: Broker, ending = ""): Promise<void> {
  const work = actor(function work() {}, { broker });
  await assertRefused(() => work.send(), ending); // after several attempts
  await broker.close();
}

async function assertRefusedByMemcached(servers: string, ending = ""): Promise<void> {
  const backend = new MemcachedResultBackend({ servers });
  const message = new Message({ queueName: "default", actorName: "work", args: [] });
  await assertRefused(() => backend.getResult(message), ending);
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
  await Promise.all(brokers.map((broker) => assertRefusedBy(broker)));
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
  "RabbitmqBroker takes a server that asks for a certificate, or has no TLS, for out of reach",
  async () => {
    const port = await freePort();
    await using server = await startOwnRabbitmq({
      config:
        `{ssl_listeners, [{"127.0.0.1", ${port}}]}, {ssl_options, [{cacertfile, "${files.ca}"},
      {certfile, "${files.cert}"}, {keyfile, "${files.key}"}, {verify, verify_peer}, {fail_if_no_peer_cert, true}]}`,
    });
    const connection = { hostname: host, port, tls };
    await Promise.all([
      assertRefusedBy(new RabbitmqBroker({ connection })),
      assertRefusedBy(
        new RabbitmqBroker({ connection: { hostname: host, port } }),
        "; if the server speaks TLS on this port, use amqps:// or the option tls",
      ),
      assertRefusedBy(
        new RabbitmqBroker({ url: `amqps://${host}:${server.port}` }),
        "; if the server does not speak TLS on this port, use amqp://, or the port for TLS",
      ),
    ]);

    const broker = new RabbitmqBroker({ connection: { ...connection, tls: withCertificate } });
    await actor(function work() {}, { broker }).send();
    await broker.close();
  },
);

test("Clients name TLS as the likely reason where they speak it and the server does not, or the reverse", async () => {
  const secure = (scheme: string) =>
    `; if the server speaks TLS on this port, use ${scheme}s:// or the option tls`;
  const plain = (scheme: string) =>
    `; if the server does not speak TLS on this port, use ${scheme}://, or the port for TLS`;
  await Promise.all([
    assertRefusedBy(new RedisBroker({ connection: { host, port } }), secure("redis")),
    assertRefusedBy(
      new RabbitmqBroker({ connection: { hostname: host, port } }),
      secure("amqp"),
    ),
    assertRefusedByMemcached(
      `${host}:${port}`,
      "; if the server speaks TLS on this port, use one without TLS, or a TLS tunnel",
    ),
    assertRefusedBy(new RedisBroker({ url: `rediss://${host}:${redis.port}` }), plain("redis")),
    assertRefusedBy(new RabbitmqBroker({ url: `amqps://${host}:${redis.port}` }), plain("amqp")),
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
