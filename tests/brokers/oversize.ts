/**
 * Tests of messages that are too large for the server of a broker.
 *
 * @module
 */
import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  actor,
  type Broker,
  type DeadLetter,
  type Message,
  pipeline,
  RequestRejected,
  Worker,
} from "@dq/dramatiq";
import { work } from "../conformance/broker_messages.ts";
import { withEnvironment } from "../support/environment.ts";
import type { test } from "../support/test.ts";

/** A broker whose server accepts only small messages. */
export interface OversizeHarness {
  readonly name: string;
  readonly test: typeof test;
  /** Maximum of bytes in a message. */
  readonly limit: number;
  /** Number of bytes that the broker adds to a message: an id. */
  readonly overhead: number;
  /** Calls a function with a broker and a queue of its own. */
  with(check: (broker: Broker, queueName: string) => Promise<void>): Promise<void>;
  /** The first argument of each message on a queue, in order. */
  firstArgs(broker: Broker, queueName: string): Promise<unknown[]>;
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);
const SOON = { dramatiq_restart_delay: "10" };

/** A message whose text has a given number of bytes. */
function messageOf(bytes: number, message: (text: string) => Message): Message {
  const length = (text: string) => new TextEncoder().encode(`${message(text).encode()}`).length;
  return message("x".repeat(bytes - length("")));
}

async function deadLettersOf(broker: Broker, queueName: string): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  for await (const dead of broker.deadLetters(queueName)) all.push(dead);
  return all;
}

/** Declares the tests for one broker. */
export function oversize(harness: OversizeHarness): void {
  const { name, limit } = harness;
  const sized = (bytes: number, message: (text: string) => Message) =>
    messageOf(bytes - harness.overhead, message);
  const test = (title: string, check: (broker: Broker, queueName: string) => Promise<void>) =>
    harness.test(
      `${name}${title}`,
      () => withEnvironment(SOON, () => harness.with(check)),
    );

  test(
    ".enqueue rejects only what the server cannot store, and stores all else once, in order",
    async (broker, queueName) => {
      const args = [...numbers(200), "x".repeat(2 * limit), ...numbers(200, 200)];
      for (let round = 1; round <= 3; round++) {
        const outcomes = await Promise.allSettled(
          args.map((arg) => broker.enqueue(work(queueName, arg))),
        );
        const failed = outcomes.filter((one) => one.status === "rejected");
        assertEquals(failed.length, 1);
        assertInstanceOf(failed[0]!.reason, RequestRejected);
        assertStringIncludes(failed[0]!.reason.message, String(limit));
        assertEquals(
          await harness.firstArgs(broker, queueName),
          numbers(round).flatMap(() => numbers(400)),
        );
      }
    },
  );

  test(
    ".enqueueMany fails with what the server cannot store, and stores the others once",
    async (broker, queueName) => {
      const args = [...numbers(200), "x".repeat(2 * limit), ...numbers(200, 200)];
      const sending = broker.enqueueMany(args.map((arg) => work(queueName, arg)));
      await assertRejects(() => sending, RequestRejected, String(limit));
      assertEquals(await harness.firstArgs(broker, queueName), numbers(400));
    },
  );

  test(
    ".enqueue stores what is as large as the server takes, and not a byte more",
    async (broker, queueName) => {
      const [fits, exceeds] = [limit, limit + 1].map((bytes) =>
        sized(bytes, (text) => work(queueName, text))
      ) as [Message, Message];
      const outcomes = await Promise.allSettled([exceeds, fits].map((one) => broker.enqueue(one)));
      assertEquals(outcomes.map(({ status }) => status), ["rejected", "fulfilled"]);
      assertEquals(await harness.firstArgs(broker, queueName), [fits.args[0]]);
    },
  );

  test(
    ": a message whose next of a pipeline can never be stored ends in the dead letters, and says why",
    async (broker, queueName) => {
      let runs = 0;
      const first = actor(() => {
        runs += 1;
        return "x".repeat(2 * limit);
      }, { broker, queueName, actorName: "first" });
      const second = actor((_text: string) => {}, { broker, queueName, actorName: "second" });
      await pipeline([first.message(), second.message()], { broker }).run();
      await runAll(broker, queueName);
      const dead = await deadLettersOf(broker, queueName);
      assertEquals([runs, ...dead.map(({ message }) => message.actorName)], [1, "first"]);
      const traceback = String(dead[0]!.message.option("traceback"));
      assertStringIncludes(traceback, "Cannot store the next message of the pipeline");
      assertStringIncludes(traceback, String(limit));
    },
  );

  test(
    ": a message whose callback can never be stored ends in the dead letters, and says why",
    async (broker, queueName) => {
      let runs = 0;
      const seen = actor((..._args: unknown[]) => {}, { broker, queueName, actorName: "seen" });
      const first = actor(() => {
        runs += 1;
        return "x".repeat(2 * limit);
      }, { broker, queueName, actorName: "first", onSuccess: seen });
      await first.send();
      await runAll(broker, queueName);
      const dead = await deadLettersOf(broker, queueName);
      assertEquals([runs, ...dead.map(({ message }) => message.actorName)], [1, "first"]);
      const traceback = String(dead[0]!.message.option("traceback"));
      assertStringIncludes(traceback, "Cannot store callback seen");
    },
  );

  test(
    ": a retry that fits with a shorter traceback only is stored with that",
    async (broker, queueName) => {
      const tracebacks: unknown[] = [];
      const first = actor((_text: string) => {
        tracebacks.push(currentTraceback());
        throw new Error("No luck ".repeat(1_000));
      }, { broker, queueName, actorName: "first", minBackoff: 1, maxBackoff: 1, maxRetries: 2 });
      let currentTraceback = (): unknown => undefined;
      broker.addMiddleware({
        beforeProcessMessage: (_broker, message) => {
          currentTraceback = () => message.option("traceback");
        },
      });
      await broker.enqueue(sized(limit - 2_000, (text) => first.message(text)));
      await runAll(broker, queueName);
      assertEquals(tracebacks.length, 3);
      for (const traceback of tracebacks.slice(1)) {
        assertStringIncludes(String(traceback), "Error: No luck No luck");
      }
      const [dead, ...others] = await deadLettersOf(broker, queueName);
      assertEquals([others.length, dead!.message.option("retries")], [0, 3]);
      assertStringIncludes(String(dead!.message.option("traceback")), "Error: No luck No luck");
    },
  );

  test(
    ": a message whose retry can never be stored ends in the dead letters, not beside others that fail",
    async (broker, queueName) => {
      const runs = new Map<unknown, number>();
      const fail = actor((n: number | string) => {
        runs.set(n, (runs.get(n) ?? 0) + 1);
        throw new Error("No luck ".repeat(1_000));
      }, { broker, queueName, actorName: "fail", minBackoff: 1, maxBackoff: 1, maxRetries: 1 });
      const large = sized(limit - 20, (text) => fail.message(text));
      await broker.enqueueMany([fail.message(1), large, fail.message(2)]);
      await runAll(broker, queueName);
      assertEquals([runs.get(1), runs.get(2), runs.get(large.args[0])], [2, 2, 1]);
      const dead = await deadLettersOf(broker, queueName);
      assertEquals(
        dead.map(({ message }) => message.args[0]).toSorted(),
        [1, 2, large.args[0]].toSorted(),
      );
    },
  );

  test(
    ": a message whose dead letter fits with a shorter traceback only is kept with that, once",
    async (broker, queueName) => {
      let runs = 0;
      const fail = actor((_text: string) => {
        runs += 1;
        throw new Error("No luck ".repeat(1_000));
      }, { broker, queueName, actorName: "fail", maxRetries: 0 });
      const sizes = [limit - 2_000, limit - 300, limit];
      await broker.enqueueMany(
        sizes.map((bytes) => sized(bytes, (text) => fail.message(text))),
      );
      await runAll(broker, queueName);
      const dead = await deadLettersOf(broker, queueName);
      assertEquals([runs, dead.length], [3, 3]);
      const reasons = dead.toSorted((a, b) =>
        String(a.message.args[0]).length - String(b.message.args[0]).length
      )
        .map(({ message }) => message.option("traceback"));
      for (const reason of reasons.slice(0, 2)) {
        assertStringIncludes(
          String(reason),
          "Error: No luck No luck",
        );
      }
      assertEquals(reasons[2], undefined); // There is no room for a single byte.
    },
  );
}

/** Has a worker run all there is. */
async function runAll(broker: Broker, queueName: string): Promise<void> {
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join(queueName);
  await worker.stop();
}
