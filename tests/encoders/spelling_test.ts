import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  actor,
  type Broker,
  defaultMiddleware,
  Message,
  type Middleware,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A text that JavaScript would write as `[1,1234567890123456800,0.00001,{"1":1,"b":1,"a":1}]`. */
const ARGS = '[1.0,12345678901234567890,1e-05,{"b":1,"1":1.0,"a":1}]';

/** Keeps the encoded form of every message that is enqueued. */
class Spelling implements Middleware {
  readonly texts: string[] = [];

  afterEnqueue(_broker: Broker, message: Message): void {
    this.texts.push(String(message.encode()));
  }
}

/** Has `work` run for a message from Python; gives what was enqueued after it. */
async function enqueuedAfter(options: string, run: () => unknown): Promise<string[]> {
  const clock = new FakeClock();
  const spelling = new Spelling();
  const broker = new StubBroker({
    clock,
    failFast: false,
    middleware: [spelling, ...defaultMiddleware()],
  });
  const work = (...args: unknown[]) => {
    // What an actor does to its arguments is its own affair.
    args.reverse();
    return run();
  };
  actor(work, { broker, actorName: "work", maxRetries: 1 });
  actor((..._args: unknown[]) => {}, { broker, actorName: "next" });
  await broker.enqueue(Message.decode(
    `{"queue_name":"default","actor_name":"work","args":${ARGS},"kwargs":{},` +
      `"options":${options},"message_id":"m","message_timestamp":1600000000000}`,
  ));
  await using worker = new Worker(broker);
  await worker.start();
  await clock.waitFor(broker.join("default"));
  const [first, ...others] = spelling.texts;
  assertStringIncludes(first!, ARGS);
  return others;
}

function fail(): never {
  throw new Error("nope");
}

test("Retries sends the arguments as they were written", async () => {
  const [retry, moved, ...others] = await enqueuedAfter("{}", fail);
  assertStringIncludes(retry!, `"queue_name":"default.DQ","actor_name":"work","args":${ARGS}`);
  assertStringIncludes(moved!, `"queue_name":"default","actor_name":"work","args":${ARGS}`);
  assertEquals(others, []);
});

test("Callbacks sends the arguments of the message as they were written", async () => {
  const [callback] = await enqueuedAfter('{"on_success":"next"}', () => 7);
  assertStringIncludes(callback!, `"actor_name":"work","args":${ARGS}`);
});

test("Retries reports the arguments of an exhausted message in their original spelling", async () => {
  const options = '{"max_retries":0,"on_retry_exhausted":"next"}';
  const [callback] = await enqueuedAfter(options, fail);
  assertStringIncludes(callback!, `"actor_name":"work","args":${ARGS}`);
});

test("Pipelines sends the arguments of the target as they were written", async () => {
  const target = `{"queue_name":"default","actor_name":"next","args":${ARGS},"kwargs":{},` +
    `"options":{},"message_id":"n","message_timestamp":1600000000000}`;
  const [next] = await enqueuedAfter(`{"pipe_target":${target}}`, () => 7);
  assertStringIncludes(next!, `"args":${ARGS.slice(0, -1)},7]`);
});
