import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  actor,
  type ActorOptions,
  currentSignal,
  type MessageOptions,
  Retries,
  Shutdown,
  ShutdownNotifications,
  StubBroker,
  Worker,
} from "@dq/dramatiq";

import type { ShutdownNotificationsOptions } from "@dq/dramatiq/middleware";
import { untilAborted } from "../support/aborted.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";
import { WireJournal } from "./wire_journal.ts";

interface Given {
  readonly middleware?: ShutdownNotificationsOptions;
  readonly actor?: ActorOptions;
  readonly message?: MessageOptions;
}

/** Stops a worker while an actor runs; gives the reason that the actor was told, if any. */
async function reasonToldAtStop(given: Given): Promise<unknown> {
  const clock = new FakeClock();
  const notifications = new ShutdownNotifications(given.middleware);
  const broker = new StubBroker({ clock, middleware: [notifications] });
  const gate = Promise.withResolvers<void>();
  let signal: AbortSignal | undefined;
  const busy = actor(async function busy() {
    signal = currentSignal();
    await gate.promise;
  }, { broker, ...given.actor });
  const worker = new Worker(broker);
  await worker.start();
  await broker.enqueue(busy.messageWithOptions({ ...given.message }));
  await clock.settle();
  const stopped = worker.stop();
  await clock.settle();
  const reason = signal!.aborted ? signal!.reason : undefined;
  gate.resolve();
  await stopped;
  return reason;
}

// Reference: ShutdownNotifications
test("ShutdownNotifications tells an actor that asked for it", async () => {
  assertInstanceOf(await reasonToldAtStop({ actor: { notifyShutdown: true } }), Shutdown);
});

test("ShutdownNotifications leaves other actors alone", async () => {
  assertEquals(await reasonToldAtStop({}), undefined);
});

test("ShutdownNotifications can be on for all actors", async () => {
  const middleware = { notifyShutdown: true };
  assertInstanceOf(await reasonToldAtStop({ middleware }), Shutdown);
  const reason = await reasonToldAtStop({ middleware, actor: { notifyShutdown: false } });
  assertEquals(reason, undefined);
});

test("ShutdownNotifications prefers the option of the message", async () => {
  const off = { actor: { notifyShutdown: true }, message: { notifyShutdown: false } };
  assertEquals(await reasonToldAtStop(off), undefined);
  const on = { actor: { notifyShutdown: false }, message: { notifyShutdown: true } };
  assertInstanceOf(await reasonToldAtStop(on), Shutdown);
});

// Reference: Shutdown
test("ShutdownNotifications has a message retried whose actor lets Shutdown through", async () => {
  const clock = new FakeClock();
  const journal = new WireJournal();
  const middleware = [journal, new ShutdownNotifications(), new Retries({ minBackoff: 1_000 })];
  const broker = new StubBroker({ clock, middleware });
  let runs = 0;
  const busy = actor(function busy() {
    runs += 1;
    if (runs > 1) return;
    return untilAborted();
  }, { broker, notifyShutdown: true });
  const worker = new Worker(broker);
  await worker.start();
  await busy.send();
  await clock.settle();
  await worker.stop();
  assertEquals(journal.events.map(({ event, queue_name }) => `${event} ${queue_name}`), [
    "enqueue default",
    "enqueue default.DQ",
    "ack default",
  ]);

  await using next = new Worker(broker);
  await next.start();
  await clock.waitFor(broker.join("default"));
  assertEquals(runs, 2);
});

test("ShutdownNotifications forgets messages that are done", async () => {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, middleware: [new ShutdownNotifications()] });
  const signals: AbortSignal[] = [];
  const quick = actor(function quick() {
    signals.push(currentSignal());
  }, { broker, notifyShutdown: true });
  const worker = new Worker(broker);
  await worker.start();
  await quick.send();
  await clock.waitFor(broker.join("default"));
  await worker.stop();
  assertEquals(signals.map(({ aborted }) => aborted), [false]);
});
