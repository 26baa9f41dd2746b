import { assertEquals } from "@std/assert";
import { actor, healthHandler, StubBroker, Worker } from "@dq/dramatiq";
import { test } from "../support/test.ts";

test("healthHandler tells from the start of a worker to its end whether it works", async () => {
  const broker = new StubBroker();
  actor(function greet() {}, { broker });
  await using worker = new Worker(broker, { concurrency: 3 });
  const handler = healthHandler(worker);
  const get = (path: string) => handler(new Request(`http://localhost/ops${path}`));
  const reasonOf = async () => (await get("/readyz?verbose").json()).reasons;
  assertEquals([get("/livez").status, get("/readyz").status], [200, 503]);
  assertEquals(await reasonOf(), ["worker is starting"]);
  await worker.start();
  assertEquals([get("/livez").status, get("/readyz").status], [200, 200]);
  const { workers: [shown] } = await get("/readyz?verbose").json();
  assertEquals([shown.state, shown.slots, shown.inFlight], ["working", 3, 0]);
  worker.pause();
  assertEquals(await reasonOf(), ["worker is quiet"]);
  worker.resume();
  assertEquals(get("/readyz").status, 200);
  const stopped = worker.stop();
  assertEquals(await reasonOf(), ["stopping"]);
  await stopped;
  assertEquals([get("/livez").status, get("/readyz").status], [200, 503]);
  assertEquals(handler(new Request("http://localhost/livez", { method: "HEAD" })).status, 200);
});

test("healthHandler fails /readyz, and not /livez, while the broker is silent", async () => {
  class SilentBroker extends StubBroker {
    silence = 0;
    override get silentFor() {
      return this.silence;
    }
  }
  const broker = new SilentBroker();
  await using worker = new Worker(broker);
  await worker.start();
  const handler = healthHandler(worker);
  const statusOf = (path: string) => handler(new Request(`http://localhost${path}`)).status;
  for (const [silentFor, status] of [[9_999, 200], [10_001, 503], [0, 200]] as const) {
    broker.silence = silentFor;
    assertEquals([statusOf("/livez"), statusOf("/readyz")], [200, status]);
  }
});

test("healthHandler holds /readyz while a queue is paused", async () => {
  const broker = new StubBroker();
  actor(function greet() {}, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  const { Control } = await import("@dq/dramatiq");
  await new Control(broker).pause({ queue: "default" });
  assertEquals(healthHandler(worker)(new Request("http://localhost/readyz")).status, 200);
});
