import { assertEquals } from "@std/assert";
import {
  type Broker,
  group,
  type MessageProxy,
  type Middleware,
  pipeline,
  SkipMessage,
  Snooze,
  Worker,
} from "@dq/dramatiq";

import type { CompletionCallbackOptions } from "@dq/dramatiq/core";
import { test } from "../support/test.ts";
import { fail, GroupFixture, skip } from "./group_fixture.ts";

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
  const setFixture = () => {
    const fixture = new GroupFixture(undefined, middleware === undefined ? [] : [middleware]);
    if (act !== undefined) fixture.acts["two"] = act;
    return fixture;
  };

  test(`GroupCallbacks send nothing if a member ${ending}`, async () => {
    await using fixture = setFixture();
    await fixture.run([fixture.actors.one.message(), fixture.actors.two.message()]);
    assertEquals(fixture.runsOf("done"), 0);
  });

  test(`GroupCallbacks count a member that ${ending} as settled`, async () => {
    await using fixture = setFixture();
    const { one, two } = fixture.actors;
    await fixture.run([two.message(), one.message()], { when: "settled" });
    assertEquals(fixture.got.at(-1), ["done", []]);
    assertEquals([fixture.runsOf("one"), fixture.runsOf("done")], [1, 1]);
  });

  test(`GroupCallbacks count a pipeline as settled of which a message ${ending}`, async () => {
    await using fixture = setFixture();
    const { one, two, done2 } = fixture.actors;
    const broken = pipeline([one.message(), two.message(), done2.message()], {
      broker: fixture.broker,
    });
    await fixture.run([broken, one.message()], { when: "settled" });
    assertEquals([fixture.runsOf("one"), fixture.runsOf("done2"), fixture.runsOf("done")], [
      2,
      0,
      1,
    ]);
  });
}

test("GroupCallbacks count a member that is snoozed once it has ended, and not before", async () => {
  await using fixture = new GroupFixture();
  const { one, two } = fixture.actors;
  fixture.acts["two"] = (run) => {
    assertEquals(fixture.runsOf("done"), 0);
    if (run < 2) throw new Snooze(1_000);
  };
  await fixture.run([two.message(), one.message()], { when: "settled" });
  assertEquals([fixture.runsOf("two"), fixture.runsOf("done")], [3, 1]);
});

test("GroupCallbacks count members for unknown actors as settled", async () => {
  await using fixture = new GroupFixture();
  const { one } = fixture.actors;
  const unknown = one.message().copy({ actorName: "nobody" });
  await fixture.run([unknown, one.message()], { when: "settled" });
  assertEquals(fixture.runsOf("done"), 1);
});

test("GroupCallbacks send both kinds, each when its time has come", async () => {
  await using fixture = new GroupFixture();
  const { one, two, done, done2 } = fixture.actors;
  const run = async () => {
    const piped = pipeline([one.message(), two.message()], { broker: fixture.broker });
    const made = group([piped, one.message()], { broker: fixture.broker });
    made.addCompletionCallback(done.message("succeeded"));
    made.addCompletionCallback(done2.message("settled"), { when: "settled" });
    await made.run();
    await fixture.work();
  };
  await run();
  assertEquals([fixture.runsOf("done"), fixture.runsOf("done2")], [1, 1]);
  fixture.acts["two"] = fail;
  await run();
  assertEquals([fixture.runsOf("done"), fixture.runsOf("done2")], [1, 2]);
});

test("GroupCallbacks leave the wire form alone unless settled members are asked for", async () => {
  await using fixture = new GroupFixture();
  const { one, done } = fixture.actors;
  const optionsWith = async (options: CompletionCallbackOptions) => {
    const made = group([one.message()], { broker: fixture.broker });
    made.addCompletionCallback(done.message(), options);
    await made.run();
    return Object.keys(fixture.journal.events.at(-1)!["options"] as object);
  };
  assertEquals(await optionsWith({}), ["group_completion_uuid", "group_completion_callbacks"]);
  assertEquals(await optionsWith({ when: "settled" }), [
    "group_settled_uuid",
    "group_settled_callbacks",
  ]);
});

test("GroupCallbacks do not count a member that is given back, but when it has run", async () => {
  await using fixture = new GroupFixture();
  const { one, two, done } = fixture.actors;
  const held = Promise.withResolvers<void>();
  fixture.waits["two"] = (runs) => runs === 0 ? held.promise : undefined;
  const made = group([one.message(), two.message()], { broker: fixture.broker });
  made.addCompletionCallback(done.message(), { when: "settled" });
  await made.run();
  const worker = new Worker(fixture.broker, { concurrency: 2 });
  await worker.start();
  await fixture.clock.settle();
  await fixture.clock.waitFor(worker.stop(0));
  assertEquals(fixture.got.map(([name]) => name), ["one", "two"]);
  const sent = fixture.journal.events.filter(({ event }) => event === "enqueue");
  assertEquals(sent.length, 2); // the members, and no callback
  await fixture.work();
  assertEquals(fixture.got.map(([name]) => name), ["one", "two", "two", "done"]);
  held.resolve();
});
