import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  actor,
  type Broker,
  type MessageProxy,
  type Middleware,
  MiddlewareError,
  SkipMessage,
  StubBroker,
  Worker,
  WorkerLost,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

// Reference: SkipMessage
test("Worker tells afterSkipMessage why a message was skipped, or that it was given back", async () => {
  const reasons: unknown[] = [];
  const broker = new StubBroker({
    middleware: [{ afterSkipMessage: (_broker, _message, reason) => void reasons.push(reason) }],
  });
  const skipping = actor(function skipping() {
    throw new SkipMessage("Not today");
  }, { broker });
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const endless = actor(function endless() {
    begin();
    return new Promise<void>(() => {});
  }, { broker });

  const worker = new Worker(broker);
  await worker.start();
  await skipping.send();
  await broker.join("default");
  await endless.send();
  await begun;
  await worker.stop(0);

  assertEquals(reasons.length, 2);
  assertInstanceOf(reasons[0], SkipMessage);
  assertInstanceOf(reasons[1], WorkerLost);
  await broker.close();
});

/** Notes how often each delayed message begins to move, and ends to. */
class Moves implements Middleware {
  readonly calls: string[] = [];
  beforeDelayMessage(_broker: Broker, { actorName }: MessageProxy): void {
    this.calls.push(`before ${actorName}`);
  }
  afterDelayMessage(_broker: Broker, { actorName }: MessageProxy): void {
    this.calls.push(`after ${actorName}`);
  }
}

test("Worker calls afterDelayMessage once for each beforeDelayMessage, moved or not", async () => {
  const clock = new FakeClock();
  const moves = new Moves();
  const refusing: Middleware = {
    beforeEnqueue(_broker, { actorName }, delay) {
      if (actorName === "refused" && delay === undefined) throw new MiddlewareError("No");
    },
  };
  const broker = new StubBroker({ clock, middleware: [moves, refusing] });
  const moved = actor(function moved() {}, { broker });
  const refused = actor(function refused() {}, { broker });
  await moved.sendWithOptions({ delay: 1_000 });
  await refused.sendWithOptions({ delay: 2_000 });

  const worker = new Worker(broker);
  await worker.start();
  await clock.advance(1_000);
  assertEquals(moves.calls, ["before moved", "after moved"]);
  await clock.advance(1_000);
  assertEquals(moves.calls.slice(2), ["before refused", "after refused"]);
  assert(broker.allDeadLetters.length === 1);
  await worker.stop();
  await broker.close();
});
