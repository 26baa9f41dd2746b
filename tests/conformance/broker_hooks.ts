import { assertEquals } from "@std/assert";
import {
  actor,
  type Broker,
  defaultMiddleware,
  group,
  GroupCallbacks,
  type Message,
  type MessageProxy,
  type Middleware,
  pipeline,
  StubRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";
import vectors from "../vectors/hooks.json" with { type: "json" };
import type { Rules } from "./broker_harness.ts";

/** The order of the hooks of a message. */
export const hooks: Rules = {
  hooksOfSuccess: {
    rule: "Worker calls the hooks of a message that succeeds in the order of hooks.json",
    async check(fixture) {
      const { queueName } = fixture;
      const { middleware, events } = recorder(queueName);
      const broker = await fixture.open([middleware, ...defaultMiddleware()]);
      const acted = actor(() => {
        events.push("actor runs");
        return 7;
      }, { broker, queueName, actorName: "acted" });
      await acted.send();
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      await worker.join();
      assertEquals(events, eventsOf("success"));
    },
  },

  hooksOfDelayed: {
    rule: "Worker calls the hooks of a delayed message in the order of hooks.json",
    async check(fixture) {
      const { queueName } = fixture;
      const { middleware, events } = recorder(queueName);
      const broker = await fixture.open([middleware, ...defaultMiddleware()]);
      const acted = actor(() => void events.push("actor runs"), {
        broker,
        queueName,
        actorName: "acted",
      });
      await acted.sendWithOptions({ delay: 100 });
      assertEquals(events, eventsOf("delayed", "main"));
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      await worker.join();
      // The delay queue and the queue have consumers of their own: only each one's order is firm.
      const ofWorker = /^actor|_process_message |_ack goldq /;
      const others = events.slice(2);
      assertEquals(others.filter((one) => ofWorker.test(one)), eventsOf("delayed", "worker"));
      assertEquals(
        others.filter((one) => !ofWorker.test(one)),
        eventsOf("delayed", "consumer(goldq.DQ)"),
      );
    },
  },

  prepareMessage: {
    rule: "Broker sends what prepareMessage gives, and tells it what a message follows from",
    async check(fixture) {
      const { queueName } = fixture;
      const tenancy: Middleware = {
        prepareMessage: (_broker, message, cause) =>
          message.copy({
            options: { tenant: "acme", follows: cause === undefined ? "" : cause.actorName },
          }),
      };
      const counted = new GroupCallbacks(new StubRateLimiterBackend());
      const broker = await fixture.open([tenancy, ...defaultMiddleware(), counted]);
      const ran: string[] = [];
      const note = ({ message }: MessageProxy) => {
        ran.push(`${message.actorName} ${message.option("tenant")} ${message.option("follows")}`);
      };
      broker.addMiddleware({ beforeProcessMessage: (_broker, message) => note(message) });
      const declare = (actorName: string, fn: () => unknown, options = {}) =>
        actor(fn, { broker, queueName, actorName, minBackoff: 1, maxBackoff: 1, ...options });
      const plain = declare("plain", () => {});
      const told = declare("told", () => {});
      const hails = declare("hails", () => {}, { onSuccess: told });
      const mayFail = { maxRetries: 1, onRetryExhausted: told };
      const fails = declare("fails", () => Promise.reject(new Error("no")), mayFail);
      await using worker = new Worker(broker);
      await worker.start();
      const doings: [() => Promise<unknown>, string[]][] = [
        [() => plain.send(), ["plain acme "]],
        [() => plain.sendWithOptions({ args: [], delay: 20 }), ["plain acme "]],
        [() => plain.sendMany([[], []]), ["plain acme ", "plain acme "]],
        [() => hails.send(), ["hails acme ", "told acme hails"]],
        [() => fails.send(), ["fails acme ", "fails acme fails", "told acme fails"]],
        [
          () => pipeline([plain.message(), told.message() as never], { broker }).run(),
          ["plain acme ", "told acme plain"],
        ],
        [
          () => {
            const members = group([plain.message()], { broker });
            members.addCompletionCallback(told.message());
            return members.run();
          },
          ["plain acme ", "told acme plain"],
        ],
      ];
      for (const [send, expected] of doings) {
        ran.length = 0;
        await send();
        await broker.join(queueName);
        await worker.join();
        assertEquals(ran, expected);
      }
    },
  },
};

/** Writes down hooks as `hook queue options`, with the queue called as in hooks.json. */
function recorder(queueName: string): { middleware: Middleware; events: string[] } {
  const events: string[] = [];
  const note = (hook: string) => (_broker: Broker, message: Message | MessageProxy) => {
    const options = Object.keys(message.options).filter((name) => name !== "redisMessageId");
    events.push(`${hook} ${message.queueName.replace(queueName, "goldq")} ${options}`);
  };
  const middleware: Middleware = {
    beforeEnqueue: note("before_enqueue"),
    afterEnqueue: note("after_enqueue"),
    beforeDelayMessage: note("before_delay_message"),
    beforeProcessMessage: note("before_process_message"),
    afterProcessMessage: note("after_process_message"),
    afterSkipMessage: note("after_skip_message"),
    beforeAck: note("before_ack"),
    afterAck: note("after_ack"),
    beforeNack: note("before_nack"),
    afterNack: note("after_nack"),
  };
  return { middleware, events };
}

/** The events of a scenario of hooks.json, in the form of {@linkcode recorder}. */
function eventsOf(name: string, thread?: string): string[] {
  const scenario = vectors.order.find((one) => one.scenario === name)!;
  const events = scenario.events as {
    thread: string;
    hook?: string;
    message?: { queue_name: string; options: string[] };
  }[];
  return events.filter((one) => thread === undefined || one.thread === thread).map((one) =>
    one.hook === undefined
      ? "actor runs"
      : `${one.hook} ${one.message!.queue_name} ${one.message!.options}`
  );
}
