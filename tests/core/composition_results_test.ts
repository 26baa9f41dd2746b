import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  type Broker,
  type GetResultOptions,
  group,
  type Message,
  type MessageProxy,
  type Middleware,
  pipeline,
  type ProcessOutcome,
  ResultFailure,
  ResultMissing,
  type ResultSource,
  ResultTimeout,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";

/** Results in memory, and their waiters. */
class MemoryResults implements Middleware, ResultSource {
  readonly resultBackend = this;
  readonly asked: GetResultOptions[] = [];
  readonly #outcomes = new Map<string, ProcessOutcome>();
  #waiting: (() => void)[] = [];

  afterProcessMessage(_broker: Broker, { messageId }: MessageProxy, outcome: ProcessOutcome): void {
    this.#outcomes.set(messageId, outcome);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async getResult({ messageId }: Message, options: GetResultOptions): Promise<unknown> {
    this.asked.push(options);
    while (true) {
      const outcome = this.#outcomes.get(messageId);
      if (outcome?.exception !== undefined) throw new ResultFailure(String(outcome.exception));
      if (outcome !== undefined) return outcome.result;
      if (!options.block) throw new ResultMissing(messageId);
      if (options.timeout === 0) throw new ResultTimeout(messageId);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

function ready() {
  const results = new MemoryResults();
  const broker = new StubBroker();
  broker.addMiddleware(results);
  const add = actor((a: number, b: number) => a + b, { broker, actorName: "add" });
  const fail = actor(() => {
    throw new Error("nope");
  }, { broker, actorName: "fail", maxRetries: 0 });
  return { broker, results, add, fail };
}

// Reference: pipeline.completed, pipeline.completed_count, pipeline.get_result
// Reference: pipeline.get_results
test("pipeline gives the result of each message, and tells how far it is", async () => {
  const { broker, add } = ready();
  const sum = pipeline([add.message(1, 2), add.message(3), add.message(4)], { broker });
  assertEquals([await sum.completed, await sum.completedCount, sum.length], [false, 0, 3]);
  await assertRejects(() => sum.getResult(), ResultMissing);
  await using worker = new Worker(broker);
  await worker.start();
  await sum.run();
  assertEquals(await sum.getResult({ block: true }), 10);
  assertEquals(await Array.fromAsync(sum.getResults({ block: true })), [3, 6, 10]);
  assertEquals([await sum.completed, await sum.completedCount], [true, 3]);
});

// Reference: group.completed, group.completed_count, group.get_results
test("group gives the results of its members in order, and tells how far it is", async () => {
  const { broker, add } = ready();
  const members = group([
    add.message(1, 1),
    pipeline([add.message(1, 2), add.message(10)], { broker }),
    group([add.message(2, 2), add.message(3, 3)], { broker }),
  ], { broker });
  assertEquals([await members.completed, await members.completedCount], [false, 0]);
  await using worker = new Worker(broker);
  await worker.start();
  await members.run();
  await members.wait({ timeout: 60_000 });
  assertEquals(await Array.fromAsync(members.getResults()), [2, 13, [4, 6]]);
  assertEquals([await members.completed, await members.completedCount, members.length], [
    true,
    3,
    3,
  ]);
});

test("group passes its broker on to parts that name none", async () => {
  const { broker, add } = ready();
  const members = group([pipeline([add.message(1, 2)]), group([add.message(3, 4)])], { broker });
  await using worker = new Worker(broker);
  await worker.start();
  await members.run();
  assertEquals(await Array.fromAsync(members.getResults({ block: true })), [3, [7]]);
  assertEquals(await members.completedCount, 2);
});

// Reference: group.wait
test("group and pipeline share one timeout among all results", async () => {
  const { broker, results, add } = ready();
  const members = group([add.message(1, 1), add.message(2, 2)], { broker });
  await using worker = new Worker(broker);
  await worker.start();
  await members.run();
  await members.wait({ timeout: 60_000 });
  const [first, second] = results.asked.slice(-2).map(({ timeout }) => timeout!);
  assertEquals([first! <= 60_000, second! <= first!], [true, true]);
  const late = group([add.message(5, 5)], { broker });
  await assertRejects(() => late.wait({ timeout: 0 }), ResultTimeout);
});

test("group passes on that a member failed for good", async () => {
  const { broker, add, fail } = ready();
  const members = group([add.message(1, 1), fail.message()], { broker });
  await using worker = new Worker(broker);
  await worker.start();
  await members.run();
  await assertRejects(() => members.wait({ timeout: 60_000 }), ResultFailure, "nope");
  await assertRejects(() => members.completed, ResultFailure);
});

// Reference: Message.get_result
test("Message.getResult asks the backend it is given, else that of the broker", async () => {
  const { broker, results, add } = ready();
  const message = await add.send(1, 2);
  await assertRejects(() => message.getResult({ backend: results }), ResultMissing);
  await using worker = new Worker(broker);
  await worker.start();
  assertEquals(await message.getResult({ backend: results, block: true }), 3);
});

test("pipeline and group show what they are made of", () => {
  const { broker, add } = ready();
  const sum = add.message(1, 2).pipe(add.message(3));
  assertEquals(`${sum}`, "pipeline([add(1, 2), add(3)])");
  assertEquals(`${group([sum, add.message(4, 5)], { broker })}`, `group([${sum}, add(4, 5)])`);
  assertThrows(() => pipeline([]), RangeError, "Cannot create a pipeline: it has no messages");
  const strange = [add, undefined] as unknown as never[];
  assertThrows(() => pipeline(strange), TypeError, "Cannot put Actor(add) into a pipeline");
  assertThrows(() => group(strange), TypeError, "Cannot put Actor(add) into a group");
});

// Reference: Message.__or__, pipeline.__or__
test("pipe flattens pipelines, and leaves the one it is called on as it was", () => {
  const { add } = ready();
  const two = add.message(1, 2).pipe(add.message(3));
  const four = two.pipe(add.message(4).pipe(add.message(5)));
  assertEquals([two.length, four.length], [2, 4]);
  assertEquals(two.messages[1]!.options.pipeTarget, undefined);
  const names = four.messages.map((message) => message.messageId);
  let target = four.messages[0]!.asDict();
  for (const name of names.slice(1)) {
    target = target.options["pipe_target"] as typeof target;
    assertEquals(target.message_id, name);
  }
});

test("settled tells that groups and pipelines are over, where completed throws", async () => {
  const { broker, add, fail } = ready();
  const broken = pipeline([fail.message(), add.message(1) as never], { broker });
  const nested = group([fail.message()], { broker });
  const made = group([add.message(1, 2), broken, nested], { broker });
  assertEquals([await made.settled, await broken.settled], [false, false]);
  await made.run();
  assertEquals(await made.settled, false);
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default", { failFast: false } as object);
  assertEquals([await made.settled, await broken.settled, await nested.settled], [
    true,
    true,
    true,
  ]);
  await assertRejects(() => nested.completed, ResultFailure);
  assertEquals(await broken.completed, false); // its last message will never run
});
