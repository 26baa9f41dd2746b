import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Attributes } from "@opentelemetry/api";
import {
  actor,
  defaultMiddleware,
  Message,
  MiddlewareError,
  SkipMessage,
  Snooze,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";
import { Meters, startInstrumented } from "./fixture.ts";

/** Points by actor: value and error. */
function byActor(points: readonly [number, Attributes][]): string[] {
  return points.map(([value, attributes]) => {
    const error = attributes["error.type"];
    return `${attributes["dramatiq.actor"]} ${value}${error === undefined ? "" : ` ${error}`}`;
  }).toSorted();
}

/** A broker whose metrics are recorded, with a worker. */
function open(meters: Meters) {
  return startInstrumented({ meterProvider: meters.provider });
}

test("OpenTelemetry counts and times what is sent and processed, with units and bounds", async () => {
  const meters = new Meters();
  await using site = await open(meters);
  const { broker, settle } = site;
  let runs = 0;
  const retry = { minBackoff: 500, maxBackoff: 500 };
  const x = actor(() => {
    if (++runs === 1) throw new RangeError("no");
  }, { broker, actorName: "x", ...retry });
  const dies = actor((_n: number) => {
    throw new TypeError("no");
  }, { broker, actorName: "dies", maxRetries: 0 });
  let snoozed = 0;
  const snoozes = actor(() => {
    if (++snoozed === 1) throw new Snooze(500);
  }, { broker, actorName: "snoozes" });
  const skips = actor(() => {
    throw new SkipMessage("not today");
  }, { broker, actorName: "skips" });
  await x.send();
  await dies.sendMany([[1], [2]]);
  await snoozes.send();
  await skips.send();
  await settle(1_000);
  const points = (name: string) => meters.points(name);
  const sent = ["dies 2", "skips 1", "snoozes 1", "x 1"];
  assertEquals(byActor(await points("messaging.client.sent.messages")), sent);
  assertEquals(byActor(await points("messaging.client.operation.duration")), [
    "dies 1",
    "skips 1",
    "snoozes 1",
    "x 1",
  ]);
  assertEquals(byActor(await points("messaging.client.consumed.messages")), [
    "dies 2",
    "skips 1",
    "snoozes 2",
    "x 2",
  ]);
  assertEquals(byActor(await points("messaging.process.duration")), [
    "dies 2 TypeError",
    "skips 1",
    "snoozes 2",
    "x 1",
    "x 1 RangeError",
  ]);
  assertEquals(byActor(await points("dramatiq.messages.retried")), ["x 1"]);
  assertEquals(byActor(await points("dramatiq.messages.dead")), ["dies 2 TypeError"]);
  assertEquals(await meters.descriptions(), [
    "@dq/dramatiq dramatiq.messages.dead {message}",
    "@dq/dramatiq dramatiq.messages.retried {message}",
    "@dq/dramatiq messaging.client.consumed.messages {message}",
    "@dq/dramatiq messaging.client.operation.duration s",
    "@dq/dramatiq messaging.client.sent.messages {message}",
    "@dq/dramatiq messaging.process.duration s",
  ]);
  const [[, attributes]] = await points("dramatiq.messages.retried") as [[number, Attributes]];
  assertEquals(attributes, {
    "messaging.system": "dramatiq",
    "messaging.system.name": "dramatiq",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": "default",
    "dramatiq.actor": "x",
  });
  const durations = await meters.buckets("messaging.process.duration");
  assertEquals([durations.length, durations.at(0), durations.at(-1)], [18, 0.005, 900]);
});

test("OpenTelemetry counts a send that fails with its error", async () => {
  const meters = new Meters();
  await using site = await open(meters);
  const { broker } = site;
  const x = actor((_n: number) => {}, { broker, actorName: "x" });
  broker.addMiddleware({
    beforeEnqueue() {
      throw new MiddlewareError("not now");
    },
  });
  await assertRejects(() => x.send(1), MiddlewareError);
  const points = await meters.points("messaging.client.sent.messages");
  assertEquals(byActor(points), ["x 1 MiddlewareError"]);
});

test("OpenTelemetry names undeclared actors (unknown)", async () => {
  const meters = new Meters();
  await using site = await open(meters);
  const { broker, settle } = site;
  broker.declareQueue("default");
  for (const actorName of ["one", "two"]) {
    await broker.enqueue(new Message({ queueName: "default", actorName, args: [] }));
  }
  await settle();
  const dead = await meters.points("dramatiq.messages.dead");
  assertEquals(byActor(dead), ["(unknown) 2 ActorNotFound"]);
});

test("OpenTelemetry flushes its providers when a worker stops, for a limited time", async () => {
  const clock = new FakeClock();
  const flushed: string[] = [];
  const meters = new Meters();
  const provider = Object.assign(Object.create(meters.provider) as typeof meters.provider, {
    forceFlush() {
      flushed.push("metrics");
      return new Promise<void>(() => {}); // a collector that does not answer
    },
  });
  const telemetry = new OpenTelemetry({ meterProvider: provider });
  const broker = new StubBroker({ clock, middleware: [telemetry, ...defaultMiddleware()] });
  const worker = new Worker(broker);
  await worker.start();
  let hasStopped = false;
  const stopping = worker.stop().then(() => hasStopped = true);
  const start = clock.now();
  for (let i = 0; i < 40 && !hasStopped; i++) await clock.advance(500);
  await stopping;
  assertEquals(flushed.length, 1, "it is not asked again while it hangs");
  assert(clock.now() - start < 3_000, `${clock.now() - start} ms`);
  await broker.close();
});
