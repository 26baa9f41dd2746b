import { assert, assertEquals } from "@std/assert";
import {
  actor,
  type Broker,
  group,
  type Message,
  MessageProxy,
  type Middleware,
  pipeline,
  StubBroker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A broker on which each step of sending waits until the test lets it go on. */
class SteppedBroker extends StubBroker {
  override readonly clock: FakeClock = new FakeClock();
  readonly events: string[];
  readonly stored: Message[] = [];
  readonly #gates: PromiseWithResolvers<void>[];

  constructor(middleware: Middleware[] = []) {
    const events: string[] = [];
    const gates: PromiseWithResolvers<void>[] = [];
    const step = async (name: string): Promise<void> => {
      events.push(name);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
    };
    const hooks: Middleware = {
      beforeEnqueue: () => step("before"),
      afterEnqueue: () => step("after"),
      beginGroup: () => step("begin group"),
    };
    super({ middleware: [...middleware, hooks] });
    this.events = events;
    this.#gates = gates;
    this.#step = step;
  }

  readonly #step: (name: string) => Promise<void>;

  protected override store(messages: readonly Message[]): Promise<void> {
    this.stored.push(...messages);
    return this.#step(`store ${messages.length}`);
  }

  /** Lets what waits go on, step by step, and gives what happened in each. */
  async run(sending: Promise<unknown>): Promise<string[]> {
    const seen: string[] = [];
    let isOver = false;
    sending.finally(() => isOver = true).catch(() => {});
    for (let steps = 0; !isOver && steps < 20; steps++) {
      await this.clock.settle();
      if (isOver) break;
      seen.push(this.events.splice(0).join(" and "));
      for (const gate of this.#gates.splice(0)) gate.resolve();
    }
    await sending;
    return [...seen, ...this.events];
  }
}

function ready() {
  const broker = new SteppedBroker();
  const work = actor((n?: number) => n, { broker, actorName: "work" });
  return { broker, work };
}

test("Broker.enqueue stores after the hooks before it, and before those after it", async () => {
  const { broker, work } = ready();
  assertEquals(await broker.run(work.send()), ["before", "store 1", "after"]);
});

test("Broker.enqueueMany stores all at once, after the hooks of each", async () => {
  const { broker, work } = ready();
  const sending = work.sendMany([[1], [2]]);
  assertEquals(await broker.run(sending), ["before", "before", "store 2", "after", "after"]);
});

test("Broker.enqueueDue stores a message without its eta, between its hooks", async () => {
  const { broker, work } = ready();
  const due = work.message().copy({ queueName: "default.DQ", options: { eta: 1 } });
  const moving = broker.enqueueDue(new MessageProxy(due));
  assertEquals(await broker.run(moving), ["before", "store 1", "after"]);
  const [{ queueName, options }] = broker.stored as [Message];
  assertEquals([queueName, options], ["default", {}]);
});

test("Broker.enqueue gives a delayed message an eta in whole milliseconds", async () => {
  const { broker, work } = ready();
  await broker.run(work.sendWithOptions({ delay: 1.6 }));
  assertEquals(broker.stored[0]!.options.eta, broker.clock.now() + 2);
});

test("Pipeline.run and Group.run resolve when their messages are stored, not before", async () => {
  const { broker, work } = ready();
  const piped = pipeline([work.message(1), work.message()], { broker });
  assertEquals(await broker.run(piped.run()), ["before", "store 1", "after"]);
  const grouped = group([work.message(1), piped, work.message(3)], { broker });
  const one = ["before", "store 1", "after"];
  assertEquals(await broker.run(grouped.run()), [...one, ...one, ...one]);
});

test("Group.run has its members counted before it sends any", async () => {
  const { broker, work } = ready();
  const grouped = group([work.message(1)], { broker });
  grouped.addCompletionCallback(work.message(2));
  assertEquals(await broker.run(grouped.run()), ["begin group", "before", "store 1", "after"]);
});

/** Each request for results takes some of the remaining time. */
function resultsThatTake(ms: number, broker: Broker & { clock: FakeClock }) {
  const timeouts: (number | undefined)[] = [];
  const backend = {
    async getResult(_message: unknown, { timeout }: { timeout?: number }): Promise<unknown> {
      timeouts.push(timeout);
      await broker.clock.advance(ms);
      return undefined;
    },
  };
  return { timeouts, backend };
}

test("Group.getResults and Pipeline.getResults give each result the time that is left", async () => {
  const { broker, work } = ready();
  const messages = [work.message(1), work.message(2), work.message(3)];
  for (const whole of [group(messages, { broker }), pipeline(messages, { broker })]) {
    const { timeouts, backend } = resultsThatTake(600, broker);
    await Array.fromAsync(whole.getResults({ block: true, timeout: 1_000, backend }));
    assertEquals(timeouts, [1_000, 400, 0], `${whole}`);
  }
});

test("Pipeline.completedCount does not count what lies behind a message without result", async () => {
  const { work } = ready();
  const { ResultMissing } = await import("@dq/dramatiq");
  const resultBackend = {
    getResult: ({ args }: Message) =>
      args[0] === 1 ? Promise.reject(new ResultMissing("none")) : Promise.resolve(0),
  };
  const broker = new SteppedBroker([{ resultBackend }]);
  const piped = pipeline([work.message(0), work.message(1), work.message(2)], { broker });
  assertEquals(await piped.completedCount, 1);
  assert(await piped.completed); // the last has one
});
