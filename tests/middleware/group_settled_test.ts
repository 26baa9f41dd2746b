import { assertEquals } from "@std/assert";
import {
  type Broker,
  type CompletionCallbackOptions,
  group,
  type MessageProxy,
  type Middleware,
  pipeline,
  SkipMessage,
  Worker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { fail, GroupStage, skip } from "./group_stage.ts";

const skips: Middleware = {
  beforeProcessMessage(_broker: Broker, { actorName }: MessageProxy) {
    if (actorName === "two") throw new SkipMessage("not today");
  },
};
const skipsAndFails: Middleware = {
  beforeProcessMessage(_broker: Broker, message: MessageProxy) {
    if (message.actorName !== "two") return;
    message.fail();
    throw new SkipMessage("too old");
  },
};

const fails: Middleware = {
  beforeProcessMessage(_broker: Broker, message: MessageProxy) {
    if (message.actorName === "two") message.fail();
  },
};

/** Ways for the member `two` to end other than by success. */
const endings: Readonly<Record<string, { middleware?: Middleware; act?: () => void }>> = {
  "fails for good": { act: fail },
  "is skipped by a middleware": { middleware: skips },
  "is failed by a middleware without a word": { middleware: fails },
  "is skipped and failed by a middleware": { middleware: skipsAndFails },
  "skips itself": { act: skip },
};

for (const [ending, { middleware, act }] of Object.entries(endings)) {
  const setStage = () => {
    const stage = new GroupStage(undefined, middleware === undefined ? [] : [middleware]);
    if (act !== undefined) stage.acts["two"] = act;
    return stage;
  };

  test(`GroupCallbacks send nothing if a member ${ending}`, async () => {
    await using stage = setStage();
    await stage.run([stage.actors.one.message(), stage.actors.two.message()]);
    assertEquals(stage.runsOf("done"), 0);
  });

  test(`GroupCallbacks count a member that ${ending} as settled`, async () => {
    await using stage = setStage();
    const { one, two } = stage.actors;
    await stage.run([two.message(), one.message()], { when: "settled" });
    assertEquals(stage.got.at(-1), ["done", []]);
    assertEquals([stage.runsOf("one"), stage.runsOf("done")], [1, 1]);
  });

  test(`GroupCallbacks count a pipeline as settled of which a message ${ending}`, async () => {
    await using stage = setStage();
    const { one, two, done2 } = stage.actors;
    const broken = pipeline([one.message(), two.message(), done2.message()], {
      broker: stage.broker,
    });
    await stage.run([broken, one.message()], { when: "settled" });
    assertEquals([stage.runsOf("one"), stage.runsOf("done2"), stage.runsOf("done")], [2, 0, 1]);
  });
}

test("GroupCallbacks count members that nobody knows as settled", async () => {
  await using stage = new GroupStage();
  const { one } = stage.actors;
  const unknown = one.message().copy({ actorName: "nobody" });
  await stage.run([unknown, one.message()], { when: "settled" });
  assertEquals(stage.runsOf("done"), 1);
});

test("GroupCallbacks send both kinds, each when its time has come", async () => {
  await using stage = new GroupStage();
  const { one, two, done, done2 } = stage.actors;
  const run = async () => {
    const piped = pipeline([one.message(), two.message()], { broker: stage.broker });
    const made = group([piped, one.message()], { broker: stage.broker });
    made.addCompletionCallback(done.message("succeeded"));
    made.addCompletionCallback(done2.message("settled"), { when: "settled" });
    await made.run();
    await stage.work();
  };
  await run();
  assertEquals([stage.runsOf("done"), stage.runsOf("done2")], [1, 1]);
  stage.acts["two"] = fail;
  await run();
  assertEquals([stage.runsOf("done"), stage.runsOf("done2")], [1, 2]);
});

test("GroupCallbacks leave the wire form alone unless settled members are asked for", async () => {
  await using stage = new GroupStage();
  const { one, done } = stage.actors;
  const optionsWith = async (options: CompletionCallbackOptions) => {
    const made = group([one.message()], { broker: stage.broker });
    made.addCompletionCallback(done.message(), options);
    await made.run();
    return Object.keys(stage.journal.events.at(-1)!["options"] as object);
  };
  assertEquals(await optionsWith({}), ["group_completion_uuid", "group_completion_callbacks"]);
  assertEquals(await optionsWith({ when: "settled" }), [
    "group_settled_uuid",
    "group_settled_callbacks",
  ]);
});

test("GroupCallbacks do not count a member that is given back, but when it has run", async () => {
  await using stage = new GroupStage();
  const { one, two, done } = stage.actors;
  const held = Promise.withResolvers<void>();
  stage.waits["two"] = (runs) => runs === 0 ? held.promise : undefined;
  const made = group([one.message(), two.message()], { broker: stage.broker });
  made.addCompletionCallback(done.message(), { when: "settled" });
  await made.run();
  const worker = new Worker(stage.broker, { concurrency: 2 });
  await worker.start();
  await stage.clock.settle();
  await stage.clock.waitFor(worker.stop(0));
  assertEquals(stage.got.map(([name]) => name), ["one", "two"]);
  const sent = stage.journal.events.filter(({ event }) => event === "enqueue");
  assertEquals(sent.length, 2); // the members, and no callback
  await stage.work();
  assertEquals(stage.got.map(([name]) => name), ["one", "two", "two", "done"]);
  held.resolve();
});
