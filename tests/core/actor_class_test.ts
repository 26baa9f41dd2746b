import { assert, assertEquals, assertThrows } from "@std/assert";
import { Actor, actor, type Message, StubBroker, Worker } from "@dq/dramatiq";
import { test } from "../support/test.ts";

/** An actor that counts what it sends. */
// deno-lint-ignore no-explicit-any -- as in Actor
class CountingActor<P extends any[] = any[], R = unknown> extends Actor<P, R> {
  static sent = 0;

  sendTwice(...args: P): Promise<Message<R>[]> {
    CountingActor.sent += 2;
    return Promise.all([this.send(...args as never), this.send(...args as never)]);
  }
}

test("actor gives an instance of its actorClass, declared and callable", async () => {
  const broker = new StubBroker();
  const ran: number[] = [];
  const double = actor((n: number) => {
    ran.push(n);
    return n * 2;
  }, { actorName: "double", actorClass: CountingActor, broker, maxRetries: 1 });
  assert(double instanceof CountingActor);
  assertEquals(broker.getActor("double"), double as Actor);
  assertEquals(Object.keys(double.options), ["maxRetries"]);
  assertEquals(double(4), 8);
  const messages = await double.sendTwice(21);
  assertEquals(messages.map(({ args }) => args), [[21], [21]]);
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  assertEquals([ran, CountingActor.sent], [[4, 21, 21], 2]);
});

test("actor refuses an actorClass that does not extend Actor", () => {
  const broker = new StubBroker();
  class Other {}
  const error = assertThrows(
    // @ts-expect-error -- not an actor
    () => actor(() => {}, { actorName: "x", actorClass: Other, broker }),
    TypeError,
  );
  assertEquals(error.message, "Cannot create an actor from class Other: it does not extend Actor");
  assertEquals(broker.actors.size, 0);
});
