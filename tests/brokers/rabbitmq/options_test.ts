import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { actor, RabbitmqBroker, type RabbitmqBrokerOptions } from "@dq/dramatiq";
import { checkOptions } from "../../../brokers/rabbitmq/options.ts";
import { withEnvironment } from "../../support/environment.ts";
import { test } from "../../support/test.ts";

const sourcesOf = (options: RabbitmqBrokerOptions) =>
  checkOptions(options).sources.map(({ isTls, hostname, port, username, password, vhost }) => [
    isTls ? "amqps" : "amqp",
    hostname,
    port,
    username,
    password,
    vhost,
  ]);

test("RabbitmqBroker finds its server in a URL, and fills in what is missing", () => {
  const cases: [RabbitmqBrokerOptions, unknown[]][] = [
    [{}, ["amqp", "127.0.0.1", 5672, "guest", "guest", "/"]],
    [{ url: "amqp://" }, ["amqp", "127.0.0.1", 5672, "guest", "guest", "/"]],
    [{ url: "amqps://host" }, ["amqps", "host", 5671, "guest", "guest", "/"]],
    [{ url: new URL("amqp://u:p%40ss@h:1/%2Ftasks") }, ["amqp", "h", 1, "u", "p@ss", "/tasks"]],
    [{ url: "amqp://u@[::1]:2/v" }, ["amqp", "::1", 2, "u", "", "v"]],
    [{ connection: { hostname: "h", vhost: "%v" } }, ["amqp", "h", 5672, "guest", "guest", "%v"]],
    [{ connection: { tls: {} } }, ["amqps", "127.0.0.1", 5671, "guest", "guest", "/"]],
  ];
  for (const [options, source] of cases) assertEquals(sourcesOf(options), [source]);
});

test("RabbitmqBroker takes several servers in one text, as Python does", () => {
  const hosts = (url: string | (string | URL)[]) =>
    checkOptions({ url }).sources.map(({ hostname, port, password, vhost }) =>
      [hostname, port, password, vhost].join(" ")
    );
  const cases: [string | (string | URL)[], string[]][] = [
    ["amqp://a;amqp://b", ["a 5672 guest /", "b 5672 guest /"]],
    ["amqp://a:1/v;amqps://b; AMQP://c", ["a 1 guest v", "b 5671 guest /", "c 5672 guest /"]],
    [["amqp://a;amqp://b", new URL("amqp://c")], [..."abc"].map((host) => `${host} 5672 guest /`)],
    ["amqp://u:p;w@a/v;w;amqp://b", ["a 5672 p;w v;w", "b 5672 guest /"]],
  ];
  for (const [url, expected] of cases) assertEquals(hosts(url), expected);
  for (const url of ["amqp://u:secret@a;b", "amqp://u:secret@a;redis://b", "amqp://a;;amqp://b"]) {
    const error = assertThrows(() => checkOptions({ url }), TypeError, "must be a URL");
    assert(!error.message.includes("secret"), error.message);
  }
});

test("RabbitmqBroker takes several servers in order", () => {
  const hosts = (options: RabbitmqBrokerOptions) => sourcesOf(options).map(([, host]) => host);
  assertEquals(hosts({ url: ["amqp://a", new URL("amqp://b")] }), ["a", "b"]);
  assertEquals(hosts({ connection: [{ hostname: "a" }, { hostname: "b" }] }), ["a", "b"]);
});

test("RabbitmqBroker takes the heartbeat of a URL, in seconds, before that of the options", () => {
  const heartbeats = checkOptions({ url: ["amqp://a?heartbeat=7", "amqp://b"], heartbeat: 1_500 })
    .sources.map(({ heartbeat }) => heartbeat);
  assertEquals(heartbeats, [7_000, 1_500]);
});

test("RabbitmqBroker refuses options that cannot be used, and says which", () => {
  const cases: [object, typeof TypeError | typeof RangeError, string][] = [
    [{ url: "redis://host" }, TypeError, "redis://host"],
    [{ url: "amqp://host?port=1" }, TypeError, "port"],
    [{ url: "amqp://host?heartbeat=soon" }, TypeError, "soon"],
    [{ url: "amqp://%zz@host" }, TypeError, "percent-encoded"],
    [{ url: [] }, TypeError, "empty"],
    [{ url: "amqp://a", connection: {} }, TypeError, "url and connection"],
    [{ connection: { host: "a" } }, TypeError, '"host"'],
    [{ connection: { port: 70_000 } }, TypeError, "70000"],
    [{ connection: { protocol: "http" } }, TypeError, "http"],
    [{ confirmDelivery: "yes" }, TypeError, "yes"],
    [{ queueType: "stream" }, TypeError, "stream"],
    [{ deliveryLimit: 3 }, TypeError, "quorum"],
    [{ queueType: "quorum", deliveryLimit: 0 }, RangeError, "deliveryLimit 0"],
    [{ heartbeat: -1 }, RangeError, "heartbeat -1"],
    [{ connectionTimeout: 0 }, RangeError, "connectionTimeout 0"],
    [{ blockedTimeout: "1" }, TypeError, "blockedTimeout 1"],
    [{ deadMessageTtl: 2 ** 32 }, RangeError, "deadMessageTtl 4294967296"],
    ...[0, -1, 256, 1.5].map((maxPriority): [object, typeof RangeError, string] => [
      { maxPriority },
      RangeError,
      `maxPriority ${maxPriority}`,
    ]),
  ];
  for (const [options, type, text] of cases) {
    assertThrows(() => new RabbitmqBroker(options as RabbitmqBrokerOptions), type, text);
  }
});

test("RabbitmqBroker shows no password in its errors", () => {
  for (const url of ["amqp://u:secret@h?x=1", "http://u:secret@h", "amqp://u:secret@h:port"]) {
    const error = assertThrows(() => new RabbitmqBroker({ url }), TypeError);
    assert(!error.message.includes("secret"), error.message);
  }
});

test("RabbitmqBroker keeps dead letters for as long as dramatiq_dead_message_ttl says", async () => {
  assertEquals(checkOptions({}).deadMessageTtl, 604_800_000);
  // deno-lint-ignore require-await -- the environment is set while a promise is pending
  await withEnvironment({ dramatiq_dead_message_ttl: "1500" }, async () => {
    assertEquals(checkOptions({}).deadMessageTtl, 1_500);
    assertEquals(checkOptions({ deadMessageTtl: 7 }).deadMessageTtl, 7);
  });
});

test("RabbitmqBroker.enqueue names a brokerPriority that AMQP does not have, whatever it is", async () => {
  await using broker = new RabbitmqBroker({ url: "amqp://127.0.0.1:1" });
  const note = actor(() => {}, { broker, actorName: "note" });
  const cases: [unknown, string][] = [
    [256, "256"],
    [NaN, "NaN"],
    ["3", '"3"'],
    [Object.create(null), "{}"],
    [Symbol("high"), "Symbol(high)"],
  ];
  for (const [brokerPriority, shown] of cases) {
    await assertRejects(
      () => note.sendWithOptions({ brokerPriority: brokerPriority as number }),
      RangeError,
      `Cannot send with brokerPriority ${shown}: it must be a whole number from 0 to 255`,
    );
  }
});
