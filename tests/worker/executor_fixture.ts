import {
  type Actor,
  actor,
  type ActorFunction,
  currentMessage,
  InlineExecutor,
  type Kwargs,
  Message,
  MessageProxy,
  type Middleware,
  type Outcome,
  StubBroker,
  TimeLimitExceeded,
} from "@dq/dramatiq";
import { Job } from "../../worker/job.ts";
import { Settlement } from "../../worker/settlement.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** An executor, and messages for a function of its own. */
export async function ready(fn: ActorFunction, middleware: Middleware[] = []) {
  const clock = new FakeClock();
  const results: unknown[] = [];
  const probe: Middleware = {
    afterProcessMessage: (_broker, _message, { result }) => void results.push(result),
  };
  const broker = new StubBroker({ clock, middleware: [probe, ...middleware] });
  const executor = new InlineExecutor();
  await executor.start(broker);
  const made: Actor = actor(fn, { broker, actorName: "fn" });
  const proxy = (args: unknown[] = [], kwargs: Kwargs = {}) =>
    new MessageProxy(new Message({ queueName: "default", actorName: "fn", args, kwargs }));

  /** Has the executor run it, and lists the outcomes that it reports. */
  const run = (message = proxy()) => {
    const told: { result?: unknown; error?: unknown }[] = [];
    executor.run({
      message,
      actor: made,
      succeed: (result) => void told.push({ result }),
      fail: (error) => void told.push({ error }),
    });
    return told;
  };

  /** Has a job run it, as a worker does, and lists its outcomes: one in the end. */
  const work = (message: MessageProxy) => {
    const outcomes: Outcome[] = [];
    const owner = {
      broker,
      executor,
      blamed() {},
      finished: (_job: Job, outcome: Outcome) => void outcomes.push(outcome),
    };
    const settlement = new Settlement(broker, broker.consume("default"), {
      roomMade() {},
      consumerFailed() {},
    });
    new Job(owner, message, made, settlement).start();
    return outcomes;
  };
  return { clock, broker, executor, results, proxy, run, work };
}

/** An actor that ends when the test lets it. */
export function endless() {
  const end = Promise.withResolvers<unknown>();
  return { fn: () => end.promise, end };
}

/** Why a message is to stop. */
export const LATE = new TimeLimitExceeded("late");

/** A middleware that writes down when it goes in and out. */
export function wrapper(name: string, events: string[] = []): Middleware {
  return {
    async wrapActor(message, next) {
      events.push(`${name} in ${currentMessage() === message.message}`);
      try {
        return `${name}(${await next()})`;
      } finally {
        events.push(`${name} out`);
      }
    },
  };
}
