import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AbortEvents,
  actor,
  Cancelled,
  Control,
  currentSignal,
  type MessageProxy,
  RabbitmqBroker,
  RedisBroker,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { eventually, startForFile } from "../brokers/redis/fixture.ts";
import { startProxy } from "../support/servers/proxy.ts";

const { test, server } = await startForFile();

/** A broker, a worker, and events under a unique prefix, as dramatiq-abort writes them. */
class Fixture implements AsyncDisposable {
  readonly prefix = `aborts-${crypto.randomUUID()}:`;
  readonly broker = new RedisBroker({ url: server.url, namespace: `test-${crypto.randomUUID()}` });
  readonly control = new Control(this.broker);
  readonly worker = new Worker(this.broker);
  readonly skipped: unknown[] = [];
  readonly #events: AbortEvents[] = [];

  constructor() {
    const afterSkipMessage = (_broker: unknown, _message: MessageProxy, reason: unknown) =>
      void this.skipped.push(reason);
    this.broker.addMiddleware({ afterSkipMessage });
  }

  async share(url = server.url): Promise<void> {
    const events = new AbortEvents(this.broker, { url, prefix: this.prefix });
    this.#events.push(events);
    await events.start();
  }

  /** Writes an event as dramatiq-abort does. */
  async write(kind: "cancel" | "abort", messageId: string, value = "{}"): Promise<void> {
    const key = `${this.prefix}${kind}:${messageId}`;
    await server.command("RPUSH", key, value);
    await server.command("PEXPIRE", key, 90_000);
  }

  values(kind: "cancel" | "abort", messageId: string): Promise<unknown> {
    return server.command("LRANGE", `${this.prefix}${kind}:${messageId}`, 0, -1);
  }

  async cancelled(): Promise<string[]> {
    return (await this.control.cancellations()).map(({ messageId }) => messageId!).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const events of this.#events) await events.close();
    await this.worker.stop(0);
    await this.broker.close();
  }
}

test("AbortEvents writes cancellations for workers in Python, once", async () => {
  await using fixture = new Fixture();
  await Promise.all([fixture.share(), fixture.share()]);
  await fixture.control.cancel("m-1", { grace: 6_000 });
  await eventually(
    "write the events",
    async () => (await fixture.values("abort", "m-1") as unknown[]).length > 0,
  );
  assertEquals(await fixture.values("cancel", "m-1"), ["{}"]);
  assertEquals(await fixture.values("abort", "m-1"), ['{"abort_timeout":5000}']);
  const left = await server.command("PTTL", `${fixture.prefix}cancel:m-1`) as number;
  assert(left > 600_000_000, `${left} ms left`);
});

test("AbortEvents does not write back cancellations that came from Python", async () => {
  await using fixture = new Fixture();
  const value = { reason: "aborted", grace: 1_000, origin: "dramatiq-abort" };
  await fixture.broker.controlStore.change([{ key: "cancel/id/m-1", value }]);
  await fixture.share();
  await fixture.control.cancel("m-2");
  await eventually(
    "write the events of the other",
    async () => (await fixture.values("abort", "m-2") as unknown[]).length > 0,
  );
  assertEquals(await fixture.values("abort", "m-1"), []);
});

test("AbortEvents cancels messages that are aborted in Python, also running ones", async () => {
  await using fixture = new Fixture();
  const started = Promise.withResolvers<void>();
  const wait = actor(async () => {
    const signal = currentSignal();
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    started.resolve();
    await aborted;
    throw signal.reason;
  }, { broker: fixture.broker, actorName: "wait" });
  await fixture.share();
  await fixture.worker.start();
  const { messageId } = await wait.send();
  await started.promise;
  await fixture.write("cancel", messageId);
  await fixture.write("abort", messageId, '{"abort_timeout": 2000}');
  await fixture.broker.join("default");
  assert(fixture.skipped[0] instanceof Cancelled);
  assertEquals(fixture.worker.outcomes.cancelled, 1);
  const [cancellation] = await fixture.control.cancellations();
  assertEquals([cancellation!.grace, cancellation!.waitingOnly], [3_000, false]);
  // Workers in Python take the events off.
  assertEquals(await fixture.values("cancel", messageId), ["{}"]);
  assertEquals(await fixture.values("abort", messageId), ['{"abort_timeout": 2000}']);
});

test("AbortEvents does not stop a running message that Python cancels only if it waits", async () => {
  await using fixture = new Fixture();
  const { broker } = fixture;
  const started = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const ran: string[] = [];
  const wait = actor(async () => {
    started.resolve();
    await gate.promise;
    ran.push("running");
  }, { broker, actorName: "wait" });
  const never = actor(() => void ran.push("waiting"), { broker, actorName: "never" });
  await fixture.share();
  const running = await wait.send();
  await fixture.worker.start();
  await started.promise;
  const waiting = never.message();
  await fixture.write("cancel", running.messageId);
  await fixture.write("cancel", waiting.messageId);
  await eventually("hear of both", async () => (await fixture.cancelled()).length === 2);
  await broker.enqueue(waiting);
  await eventually("drop what waits", () => fixture.worker.outcomes.cancelled === 1);
  gate.resolve();
  await broker.join("default");
  assertEquals([ran, fixture.worker.outcomes.done], [["running"], 1]);
});

test("AbortEvents reads aborts from before its start, and ignores other keys", async () => {
  await using fixture = new Fixture();
  await fixture.write("abort", "m-1", "no JSON");
  await server.command("SET", `${fixture.prefix}something`, 1);
  await fixture.share();
  await eventually("hear of it", async () => (await fixture.cancelled()).length > 0);
  const [{ grace, messageId } = {}] = await fixture.control.cancellations();
  assertEquals([messageId, grace], ["m-1", 1_000]);
});

test("AbortEvents reads aborts that were written while it was disconnected", async () => {
  await using fixture = new Fixture();
  await using proxy = await startProxy(server);
  await fixture.share(`redis://${proxy.host}:${proxy.port}`);
  proxy.refuse();
  await proxy.cut();
  await fixture.write("abort", "m-1");
  await proxy.accept();
  await eventually("hear of it", async () => (await fixture.cancelled()).length > 0);
  assertEquals(await fixture.cancelled(), ["m-1"]);
});

test("AbortEvents refuses invalid options and brokers", () => {
  const broker = new StubBroker();
  assertThrows(() => new AbortEvents(broker, { prefix: "" }), TypeError, 'Cannot use prefix ""');
  assertThrows(() => new AbortEvents(broker, { ttl: 0 }), RangeError, "for 0 ms");
  assertThrows(() => new AbortEvents(broker, { ul: "" } as object), TypeError, "ul");
  assertThrows(() => new AbortEvents(new RabbitmqBroker()), TypeError, "has no control store");
});
