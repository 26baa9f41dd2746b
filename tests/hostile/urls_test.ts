import process from "node:process";
import { inspect } from "node:util";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  brokerFromUrl,
  getBroker,
  MemcachedRateLimiterBackend,
  MemcachedResultBackend,
  RabbitmqBroker,
  RedisBroker,
  RedisRateLimiterBackend,
  RedisResultBackend,
} from "@dq/dramatiq";
import { nameOf, toSources } from "../../brokers/rabbitmq/address.ts";
import { describe } from "../../clients/redis/client.ts";
import { toSource } from "../../clients/redis/address.ts";
import { redactError, redactUrl, secretsOf } from "../../clients/redact.ts";
import { test } from "../support/test.ts";

/** Two parts of a password: a character between them may end a part of a URL. */
const [LEFT, RIGHT] = ["lefthalf", "righthalf"];
const BETWEEN = ["", "/", "?", "#", "@", ":", "%", "%zz", "\\", " ", "[", "]", ";", "&", "=", '"'];
const PASSWORDS = BETWEEN.map((text) => `${LEFT}${text}${RIGHT}`);

/** URLs, and what is no URL, with a password in them. */
function urlsWith(password: string, scheme: string): string[] {
  return [
    `${scheme}://user:${password}@host/0`,
    `${scheme}://user:${password}@host:6379`,
    `${scheme}://:${password}@host/0`,
    `${scheme}://user:1/${password}@host/0`, // where a port could be
    `${scheme}://user:1?${password}@host/0`,
    `${scheme}://user:1#${password}@host/0`,
    `${scheme}://user:a@b/${password}@host/0`,
    `${scheme}://user:${password}@host/0/1`,
    `${scheme}://user:${password}@host/0?name=1`,
    `${scheme}://user:${password}@host/0?heartbeat=soon`,
    `${scheme}://host/0?password=${password}`,
    `${scheme}://user:${password}@host:port/0`,
    `${scheme}:user:${password}@host`,
    `user:${password}@host`,
    `//user:${password}@host`,
    // What follows an @ is a host here.
    ...(password.includes("@") ? [] : [`${scheme}://host:${password}`, `user:${password}`]),
  ];
}

/** Entry points for such a text. */
const DOORS: Record<string, (text: string) => unknown> = {
  brokerFromUrl: (url) => brokerFromUrl(url),
  RedisBroker: (url) => new RedisBroker({ url }),
  RedisResultBackend: (url) => new RedisResultBackend({ url }),
  RedisRateLimiterBackend: (url) => new RedisRateLimiterBackend({ url }),
  RabbitmqBroker: (url) => new RabbitmqBroker({ url }),
  "RabbitmqBroker with two": (url) => new RabbitmqBroker({ url: ["amqp://host", url] }),
  "RabbitmqBroker by connection": (url) => new RabbitmqBroker({ connection: url as never }),
  "RabbitmqBroker by protocol": (url) =>
    new RabbitmqBroker({ connection: { protocol: url as "amqp" } }),
  "RabbitmqBroker by hostname": (hostname) => new RabbitmqBroker({ connection: { hostname } }),
  "RedisBroker by connection": (url) => new RedisBroker({ connection: url as never }),
  "RedisBroker by host": (host) => new RedisBroker({ connection: { host } }),
  MemcachedResultBackend: (servers) => new MemcachedResultBackend({ servers }),
  MemcachedRateLimiterBackend: (servers) => new MemcachedRateLimiterBackend({ servers: [servers] }),
};

function assertHidden(text: string, what: string): void {
  for (const half of [LEFT, RIGHT]) assert(!text.includes(half), `${what}: ${text}`);
}

for (const [name, open] of Object.entries(DOORS)) {
  test(`${name} shows no part of a password that it is given in a URL`, () => {
    let refusals = 0;
    for (const scheme of ["redis", "amqp", "memcached", "http"]) {
      for (const url of PASSWORDS.flatMap((password) => urlsWith(password, scheme))) {
        try {
          assertHidden(inspect(open(url)), url);
        } catch (error) {
          refusals += 1;
          assertHidden(inspect(error, { depth: Infinity, showHidden: true }), url);
        }
      }
    }
    assert(refusals > 0);
  });
}

test("The name of a server shows no part of a password, whatever stands in its URL", () => {
  for (const password of PASSWORDS) {
    for (const url of urlsWith(password, "redis")) {
      const source = URL.canParse(url) ? attempt(() => toSource({ url }, "dramatiq")) : undefined;
      if (source !== undefined) assertHidden(describe(source), url);
    }
    for (const url of urlsWith(password, "amqp")) {
      const times = { heartbeat: 1, connectionTimeout: 1 };
      for (const source of attempt(() => toSources({ url }, times)) ?? []) {
        assertHidden(nameOf(source), url);
      }
    }
  }
});

function attempt<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}

test("A URL that a password has cut off is refused with what to write instead", () => {
  for (const scheme of ["redis", "amqp"]) {
    for (const url of [`${scheme}://user:a@b/c@host/0`, `${scheme}://user:1#c@host`]) {
      const error = attempt(() => brokerFromUrl(url)) ?? caught(() => brokerFromUrl(url));
      assertStringIncludes(String(error), "as %2F, %3F, %23 and %40");
    }
  }
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("getBroker shows no password of DRAMATIQ_BROKER_URL", () => {
  const before = process.env["DRAMATIQ_BROKER_URL"];
  try {
    for (const url of PASSWORDS.flatMap((password) => urlsWith(password, "http"))) {
      process.env["DRAMATIQ_BROKER_URL"] = url;
      const error = caught(getBroker);
      assertStringIncludes(String(error), "DRAMATIQ_BROKER_URL");
      assertHidden(inspect(error, { depth: Infinity, showHidden: true }), url);
    }
  } finally {
    if (before === undefined) delete process.env["DRAMATIQ_BROKER_URL"];
    else process.env["DRAMATIQ_BROKER_URL"] = before;
  }
});

test("redactUrl keeps what is no secret", () => {
  for (
    const url of [
      "redis://host:6379/0",
      "amqps://[::1]:5671/vhost",
      "127.0.0.1:11211",
      "stub:",
      "carrier-pigeon://coop",
      "",
    ]
  ) assertEquals(redactUrl(url), url);
});

test("redactError keeps the class, the reason and what a socket says, and no other property", () => {
  const cause = Object.assign(new Error(`no ${LEFT}`), { command: { args: ["AUTH", LEFT] } });
  const error = Object.assign(new TypeError(`${LEFT} is wrong`, { cause }), {
    code: "ECONNREFUSED",
    errno: -111,
    password: LEFT,
  });
  const safe = redactError(error, [LEFT]);
  assert(safe instanceof TypeError);
  assertEquals(safe.message, "*** is wrong");
  assertEquals((safe.cause as Error).message, "no ***");
  assertEquals(Object.entries(safe), [["code", "ECONNREFUSED"], ["errno", -111]]);
  assertHidden(inspect(safe, { depth: Infinity, showHidden: true }), "the copy");
  assertStringIncludes(safe.stack!, "urls_test"); // where it came from
});

test("redactError hides arguments that Redis repeats, whether they are known or not", () => {
  const { message } = redactError(
    new Error(`ERR unknown command 'AUTH', with args beginning with: 'app' '${LEFT}'`),
  );
  assertEquals(message, "ERR unknown command 'AUTH', with args beginning with: ***");
});

test("redactError drops the line break at the end of OpenSSL's texts", () => {
  const alert = new Error("tlsv13 alert certificate required:SSL alert number 116\n");
  assertEquals(
    redactError(alert).message,
    "tlsv13 alert certificate required:SSL alert number 116",
  );
});

test("redactError ends with causes that never end", () => {
  const error = new Error("round");
  error.cause = error;
  assertEquals(redactError(error).message, "round");
});

test("secretsOf finds the passwords of users, Sentinels, nodes and keys, and not that of guest", () => {
  const secrets = secretsOf({
    username: "app",
    password: "first one",
    sentinelPassword: "second",
    redisOptions: { password: "third", tls: { passphrase: "fourth" } },
    startupNodes: ["redis://:fifth@host", { host: "host", password: "sixth" }],
    guest: { username: "guest", password: "guest" },
    onlyUser: { username: "seventh" },
  });
  for (const one of ["first one", "second", "third", "fourth", "fifth", "sixth", "seventh"]) {
    assert(secrets.includes(one), one);
  }
  assert(secrets.includes("first%20one"), "as it stands in a URL");
  assert(!secrets.includes("guest") && !secrets.includes("app") && !secrets.includes("host"));
});
