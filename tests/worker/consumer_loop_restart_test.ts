import { assert, assertEquals } from "@std/assert";
import { ConnectionClosed, ConnectionFailed } from "@dq/dramatiq";
import { linesOf } from "../support/log.ts";
import { test } from "../support/test.ts";
import { end, loopOver } from "./consumer_loop_fixture.ts";

test("ConsumerLoop opens a new consumer some time after one that failed", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  broker.receiveErrors.push(new ConnectionClosed("cut"));
  await send(0, 1);
  loop.start();
  await clock.settle();
  assertEquals(broker.events, ["consume 2", "receive 2", "close"]);
  assertEquals(clock.pendingTimers, 1);
  await clock.advanceToNext();
  assertEquals(args(), [0, 1]);
  assertEquals(broker.events.slice(3), ["consume 2", "receive 2"]);
  await end(loop);
  assertEquals(clock.pendingTimers, 0);
});

test("ConsumerLoop tries again as long as no consumer can be opened", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  for (let i = 0; i < 3; i++) broker.consumeErrors.push(new ConnectionFailed("refused"));
  await send(0);
  loop.start();
  for (let i = 0; i < 3; i++) {
    assertEquals(args(), []);
    await clock.advanceToNext();
  }
  assertEquals(args(), [0]);
  await end(loop);
});

test("ConsumerLoop logs once that consumers fail for one reason, and again for another or later", async () => {
  const { clock, broker, loop } = loopOver(2);
  const reasons = ["refused", "refused", "refused", "forbidden", "refused"];
  for (const reason of reasons) broker.consumeErrors.push(new ConnectionFailed(reason));
  const lines = await linesOf({ category: ["dramatiq", "worker"] }, async () => {
    loop.start();
    for (let i = 0; i < reasons.length; i++) await clock.advanceToNext();
    await clock.advance(60_000); // it works
    broker.receiveErrors.push(new ConnectionFailed("refused"));
    loop.pause("worker"); // ends the call that waits
    loop.resume("worker");
    await clock.settle();
    await end(loop);
  });
  const logged = lines.filter(({ level }) => level === "error").map(({ properties }) =>
    properties["reason"]
  );
  assertEquals(logged, ["refused", "forbidden", "refused", "refused"]);
});

test("ConsumerLoop goes on when the consumer that failed does not close well", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  broker.receiveErrors.push(new ConnectionClosed("cut"));
  broker.closeErrors.push(new ConnectionClosed("cut"));
  await send(0);
  loop.start();
  await clock.advanceToNext();
  assertEquals(args(), [0]);
  await end(loop);
});

test("ConsumerLoop opens a new consumer when messages cannot be settled: they come again", async () => {
  const { clock, broker, loop, delivered, send, args } = loopOver(1);
  await send(0);
  loop.start();
  await clock.settle();
  broker.ackErrors.push(new ConnectionClosed("cut"));
  const { message, settlement } = delivered[0]!;
  settlement.settle(message, "done");
  await clock.settle();
  if (clock.pendingTimers > 0) await clock.advanceToNext();
  await end(loop);
  assertEquals(args(), [0, 0]);
});

test("ConsumerLoop starts from an empty hand after a failure", async () => {
  const { clock, broker, loop, delivered, send, args } = loopOver(2);
  await send(0);
  loop.start();
  await clock.settle();
  // The call that waits for a second message is ended, so that the next one fails.
  broker.receiveErrors.push(new ConnectionClosed("cut"));
  loop.pause("worker");
  loop.resume("worker");
  await clock.settle();
  await send(1);
  await clock.advanceToNext();
  assertEquals(args(), [0, 0, 1]); // the first one was given back when the consumer closed
  const [stale, ...current] = delivered;
  broker.ackErrors.push(new ConnectionClosed("cut"));
  stale!.settlement.settle(stale!.message, "done"); // of a consumer that is gone already
  await clock.settle();
  assertEquals(broker.events.filter((event) => event.startsWith("consume")).length, 2);
  assertEquals(clock.pendingTimers, 0); // it does not start again
  for (const { message, settlement } of current) settlement.settle(message, "done");
  await broker.join("q");
  await end(loop);
});

test("ConsumerLoop does not spin when the broker is closed under it", async () => {
  const { clock, broker, loop } = loopOver(1);
  loop.start();
  await clock.settle();
  await broker.close();
  await clock.settle();
  assert(broker.events.length < 20, "it asks a closed consumer again and again");
  await end(loop);
  assertEquals(clock.pendingTimers, 0);
});

test("ConsumerLoop notices while it waits for messages that it cannot settle others", async () => {
  const { clock, broker, loop, delivered, send, args } = loopOver(2);
  await send(0);
  loop.start();
  await clock.settle(); // it has room for one more, and waits for that
  broker.ackErrors.push(new ConnectionClosed("cut"));
  const { message, settlement } = delivered[0]!;
  settlement.settle(message, "done");
  await clock.advance(3_000);
  assertEquals(args(), [0, 0]);
  await end(loop);
});

test("ConsumerLoop.resume does not shorten the time before it opens a new consumer", async () => {
  const { clock, broker, loop } = loopOver(2);
  broker.receiveErrors.push(new ConnectionClosed("cut"));
  loop.start();
  await clock.settle();
  loop.resume("worker");
  await clock.advance(2_999);
  assertEquals(broker.events, ["consume 2", "receive 2", "close"]);
  await clock.advance(1);
  assertEquals(broker.events.slice(3), ["consume 2", "receive 2"]);
  await end(loop);
});
