import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { brokerFromUrl, RedisBroker, SqliteBroker, StubBroker } from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

test("brokerFromUrl makes a StubBroker of stub:, with the options given", () => {
  const clock = new FakeClock();
  const middleware = [{}];
  for (const url of ["stub:", "stub://", "STUB:", new URL("stub:")]) {
    const broker = brokerFromUrl(url, { clock, middleware });
    assertInstanceOf(broker, StubBroker);
    assertEquals(broker.clock === clock, true);
    assertEquals(broker.middleware, middleware);
  }
  assert(brokerFromUrl("stub:").middleware.length > 0);
});

test("brokerFromUrl makes a RedisBroker of redis: and rediss:, which connects when it is used", () => {
  const clock = new FakeClock();
  for (const url of ["redis://127.0.0.1:1/5", "rediss://user:secret@host", "redis:"]) {
    const broker = brokerFromUrl(url, { clock });
    assertInstanceOf(broker, RedisBroker);
    assertEquals(broker.clock === clock, true);
  }
  assertThrows(() => brokerFromUrl("redis://host/first"), TypeError, "first");
});

test("brokerFromUrl makes an SqliteBroker of sqlite:, which opens its file when it is used", () => {
  const clock = new FakeClock();
  const urls = [
    "sqlite:no/such/folder.db",
    "sqlite:///no/such.db?durability=power",
    "sqlite::memory:",
  ];
  for (const url of urls) {
    const broker = brokerFromUrl(url, { clock });
    assertInstanceOf(broker, SqliteBroker);
    assertEquals(broker.clock === clock, true);
    assertEquals(broker.isInMemory, url === "sqlite::memory:");
  }
  const bad = {
    "sqlite:": "it must name a file",
    "sqlite://tasks.db": "it must have a path only",
    "sqlite:tasks.db?mode=ro": 'it has no parameter "mode"',
    "sqlite:tasks.db?durability=none": "its durability must be",
    "sqlite:%FF": "not correctly encoded",
  };
  for (const [url, reason] of Object.entries(bad)) {
    const error = assertThrows(() => brokerFromUrl(url), TypeError, reason);
    assert(
      error.message.endsWith("sqlite:tasks.db, sqlite:///var/lib/tasks.db or sqlite::memory:"),
    );
  }
});

test("brokerFromUrl makes a new broker at every call", () => {
  assert(brokerFromUrl("stub:") !== brokerFromUrl("stub:"));
});

test("brokerFromUrl refuses what is no URL, and schemes that no broker has", () => {
  for (const url of ["", "stub", "127.0.0.1", "carrier-pigeon://coop", "//host/path"]) {
    const error = assertThrows(() => brokerFromUrl(url), TypeError, `"${url}"`);
    assert(error.message.includes("stub:"), "it names what would do");
  }
});

test("brokerFromUrl shows no password in its errors", () => {
  const urls = [
    "pigeon://user:secret@coop/1",
    "pigeon://:secret@coop",
    "pigeon://user:top:secret@coop", // colons and more may stand in passwords as they are
    "pigeon://user:top@secret@coop",
    "pigeon://user:top/secret@coop",
    "pigeon://user:secret@coop:port",
    "pigeon://user:secret?@coop",
  ];
  for (const url of [...urls, ...urls.slice(0, 2).map((url) => new URL(url))]) {
    const error = assertThrows(() => brokerFromUrl(url), TypeError);
    assert(!error.message.includes("secret"), `it shows the password: ${error.message}`);
    assert(!error.message.includes("top"), `it shows a part of the password: ${error.message}`);
    assert(error.message.includes("pigeon"), `it does not show the rest: ${error.message}`);
  }
});
