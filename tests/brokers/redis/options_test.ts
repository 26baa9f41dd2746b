import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { RedisBroker, type RedisBrokerOptions } from "@dq/dramatiq";
import { Cluster, Redis } from "ioredis";
import { parseUrl } from "../../../clients/redis/address.ts";
import { withEnvironment } from "../../support/environment.ts";
import { test } from "../../support/test.ts";

const SECRET = "s3cret";

/** Clients that never connect. */
const redis = (options: object = {}) => new Redis({ lazyConnect: true, ...options });
const cluster = (options: object = {}) =>
  new Cluster([{ host: "127.0.0.1", port: 1 }], { lazyConnect: true, ...options });

/** Parts of the error that `options` are refused with: each part is to be in the message. */
function refuses(
  rule: string,
  options: () => RedisBrokerOptions | Readonly<Record<string, unknown>>,
  ErrorClass: typeof TypeError | typeof RangeError,
  ...parts: readonly string[]
): void {
  test(`RedisBroker refuses ${rule}`, () => {
    const { name, message } = assertThrows(
      () => new RedisBroker(options() as RedisBrokerOptions),
      ErrorClass,
    );
    assertEquals(name, ErrorClass.name);
    assert(message.startsWith("Cannot "), message);
    for (const part of parts) assert(message.includes(part), `"${part}" is not in "${message}"`);
    assert(!message.includes(SECRET), `the password is in "${message}"`);
  });
}

refuses(
  "a URL of another scheme",
  () => ({ url: `http://user:${SECRET}@host/0` }),
  TypeError,
  ...["connect", "http://***@host/0", "redis://"],
);
refuses("what is no URL", () => ({ url: "no url" }), TypeError, "no url", "redis://");
refuses(
  "a port beyond all",
  () => ({ url: "redis://host:99999" }),
  TypeError,
  "redis://host:99999",
);
refuses(
  "a URL whose database is no number",
  () => ({ url: `redis://:${SECRET}@host/jobs` }),
  TypeError,
  ...["redis://***@host/jobs", '"jobs"', "number of a database"],
);
refuses(
  "a URL with two databases",
  () => ({ url: new URL("redis://host/1/2") }),
  TypeError,
  ...['"1/2"', "number of a database"],
);
refuses(
  "parameters in a URL",
  () => ({ url: `redis://host/0?password=${SECRET}` }),
  TypeError,
  ...["redis://host/0?***", '"password"', "options"],
);
refuses(
  "a password in a URL that is not spelled as in URLs",
  () => ({ url: `redis://:%zz${SECRET}@host` }),
  TypeError,
  ...["connect", "redis://***@host"],
);

refuses("an empty namespace", () => ({ namespace: "" }), TypeError, "namespace", '""', "empty");
refuses("a namespace that is no text", () => ({ namespace: 7 }), TypeError, "namespace", "7");
for (const name of ["heartbeatTimeout", "deadMessageTtl", "maintenanceInterval"]) {
  for (const time of [0, -1, NaN]) {
    refuses(`${name} ${time}`, () => ({ [name]: time }), RangeError, `${name} ${time}`, "above 0");
  }
  refuses(`${name} as text`, () => ({ [name]: "60" }), TypeError, `${name} 60`, "milliseconds");
}

for (const count of [0, -1, 1.5, "2", undefined]) {
  const waitReplicas = { count };
  refuses(`waitReplicas of ${count}`, () => ({ waitReplicas }), RangeError, `${count} replicas`);
}
for (const timeout of [0, 2_001, Infinity, "100"]) {
  const waitReplicas = { count: 1, timeout };
  const parts = [`${timeout} ms`, "from 1 to 2000"];
  refuses(`waitReplicas with timeout ${timeout}`, () => ({ waitReplicas }), RangeError, ...parts);
}
refuses(
  "waitReplicas with an option that it does not know",
  () => ({ waitReplicas: { count: 1, timeuot: 5 } }),
  TypeError,
  ...["timeuot", "waitReplicas"],
);

const OTHER_KEYS = ['"app:"', "keyPrefix", "namespace"];
refuses(
  "a keyPrefix in connection",
  () => ({ connection: { keyPrefix: "app:" } }),
  TypeError,
  ...OTHER_KEYS,
);
refuses(
  "a keyPrefix of a client",
  () => ({ client: redis({ keyPrefix: "app:", password: SECRET }) }),
  TypeError,
  ...OTHER_KEYS,
);
for (const options of [{ keyPrefix: "app:" }, { redisOptions: { keyPrefix: "app:" } }]) {
  refuses(
    `a keyPrefix of a Cluster, given as ${JSON.stringify(options)}`,
    () => ({ client: cluster(options), namespace: "{app}" }),
    TypeError,
    ...OTHER_KEYS,
  );
}

refuses(
  "url and client",
  () => ({ url: `redis://:${SECRET}@host`, client: redis() }),
  TypeError,
  ...["url and client", "one of them"],
);
refuses(
  "url, client and connection",
  () => ({ url: "redis://host", client: redis(), connection: { password: SECRET } }),
  TypeError,
  ...["url and client and connection", "one of them"],
);
for (const [what, client] of [["null", null], ["an object", { password: SECRET }]] as const) {
  refuses(`${what} for a client`, () => ({ client }), TypeError, "client", "Redis or a Cluster");
}

for (const namespace of ["dramatiq", "{}", "{", "a}b", "{}{x}"]) {
  refuses(
    `a Cluster whose namespace "${namespace}" leaves the node to each key`,
    () => ({ client: cluster(), namespace }),
    TypeError,
    ...["namespace", `"${namespace}"`, "one node"],
  );
}

test("RedisBroker takes a Cluster when its namespace names one node for all keys", () => {
  for (const namespace of ["{dramatiq}", "a{b}c", "{{}"]) {
    assertEquals(new RedisBroker({ client: cluster(), namespace }).namespace, namespace);
  }
});

test("RedisBroker refuses an environment variable dramatiq_dead_message_ttl that is no number", () =>
  withEnvironment({ dramatiq_dead_message_ttl: "a week" }, () => {
    const { message } = assertThrows(() => new RedisBroker(), RangeError, '"a week"');
    assert(message.includes("dramatiq_dead_message_ttl"), message);
    assertInstanceOf(new RedisBroker({ deadMessageTtl: 1 }), RedisBroker);
    return Promise.resolve();
  }));

test("RedisBroker reads addresses as redis:// URLs are written", () => {
  const local = { host: "127.0.0.1", port: 6379, db: 0 };
  assertEquals(parseUrl("redis:///2"), { ...local, db: 2 });
  assertEquals(parseUrl("redis://"), local);
  assertEquals(parseUrl("REDIS://example.org:7000"), { ...local, host: "example.org", port: 7000 });
  assertEquals(parseUrl(new URL("redis://[::1]/15")), { ...local, host: "::1", db: 15 });
  assertEquals(parseUrl("redis://user:p%40ss%2Fword@h/1"), {
    ...{ host: "h", port: 6379, db: 1 },
    ...{ username: "user", password: "p@ss/word" },
  });
  assertEquals(parseUrl("rediss://:secret@h"), {
    ...{ host: "h", port: 6379, db: 0 },
    ...{ password: "secret", tls: {} },
  });
});
