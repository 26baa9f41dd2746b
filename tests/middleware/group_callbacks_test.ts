import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { group, GroupCallbacks, StubRateLimiterBackend } from "@dq/dramatiq";
import { withEnvironment } from "../support/environment.ts";
import { test } from "../support/test.ts";
import { groupCases, makeGroup } from "./group_cases.ts";
import { fail, failForGood, groupLinesOf, GroupStage } from "./group_stage.ts";
import { Placeholders } from "./placeholders.ts";
import { assertSameEvents, toShown } from "./wire_journal.ts";

for (const { label, run_arguments, events, actors_got_args } of groupCases) {
  if (events.length === 0) continue; // refused: see groups_test.ts

  test(`GroupCallbacks settle case "${label}" as in Python`, async () => {
    await using stage = new GroupStage();
    if (label === "member-retries") stage.acts["two"] = (runs) => void (runs === 0 && fail());
    if (label === "member-fails") stage.acts["two"] = failForGood;
    await makeGroup(label, stage).run(run_arguments);
    await stage.work();
    assertSameEvents(stage.journal.events.map(toShown), events, new Placeholders());
    assertEquals(stage.got, actors_got_args);
  });
}

test("GroupCallbacks count a member once that runs twice", async () => {
  await using stage = new GroupStage();
  const { broker, journal, actors: { one, two, done } } = stage;
  const made = group([one.message(), two.message(), two.message()], { broker });
  made.addCompletionCallback(done.message());
  await made.run({ delay: 10 });
  // The same delivery once more, as after a worker that died before it acknowledged.
  await stage.deliverAgain(journal.events[0]!);
  await stage.work();
  assertEquals(stage.got.map(([name]) => name), ["one", "one", "two", "two", "done"]);
  const sent = journal.events.findIndex(({ actor_name }) => actor_name === "done");
  const acks = journal.events.slice(0, sent).filter(({ event, queue_name }) =>
    event === "ack" && queue_name === "goldq"
  );
  assertEquals(acks.length, 3); // all but that of the last member
});

test("GroupCallbacks send nothing again when all members run again", async () => {
  await using stage = new GroupStage();
  const { one, two } = stage.actors;
  await stage.run([one.message(), two.message()]);
  for (const event of stage.journal.events.slice(0, 2)) await stage.deliverAgain(event);
  await stage.work();
  assertEquals([stage.runsOf("one"), stage.runsOf("done")], [3, 1]);
});

test("GroupCallbacks take the same message twice for two members", async () => {
  await using stage = new GroupStage();
  const message = stage.actors.one.message();
  await stage.run([message, message]);
  assertEquals([stage.runsOf("one"), stage.runsOf("done")], [2, 1]);
});

test("GroupCallbacks log an expired barrier, and send nothing", async () => {
  await using stage = new GroupStage();
  const { one, done } = stage.actors;
  const made = group([one.message()], { broker: stage.broker });
  made.addCompletionCallback(done.message());
  await made.run();
  await stage.clock.advance(86_400_001);
  const lines = await groupLinesOf(() => stage.work());
  assertEquals(stage.got.map(([name]) => name), ["one"]);
  assertEquals(lines.map(({ level }) => level), ["error"]);
  assertMatch(lines[0]!.rawMessage as string, /^The callbacks of group \{group\} are not sent/);
});

test("GroupCallbacks dead-letter the member whose callbacks make no sense", async () => {
  await using stage = new GroupStage();
  const { one } = stage.actors;
  await stage.backend.add("group", 1, 60_000);
  const options = { groupCompletionUuid: "group", groupCompletionCallbacks: [{ no: "message" }] };
  await stage.broker.enqueue(one.message().copy({ options }));
  await groupLinesOf(() => stage.work());
  assertEquals(stage.journal.events.map(({ event }) => event), ["enqueue", "nack"]);
});

test("GroupCallbacks take the time that groups may take from the environment, or a day", () => {
  const backend = new StubRateLimiterBackend();
  const name = "dramatiq_group_callback_barrier_ttl";
  assertEquals(new GroupCallbacks(backend).barrierTtl, 86_400_000);
  assertEquals(new GroupCallbacks(backend, { barrierTtl: 5 }).barrierTtl, 5);
  withEnvironment({ [name]: "60000" }, () => {
    assertEquals(new GroupCallbacks(backend).barrierTtl, 60_000);
  });
  withEnvironment({ [name]: "long" }, () => {
    assertThrows(() => new GroupCallbacks(backend), RangeError, name);
  });
  for (const barrierTtl of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new GroupCallbacks(backend, { barrierTtl }), RangeError, "barrierTtl");
  }
});

test("Group.addCompletionCallback refuses any other time than the two there are", () => {
  const made = group([]);
  const when = "sometimes" as "settled";
  assertThrows(
    () => made.addCompletionCallback({} as never, { when }),
    TypeError,
    'Cannot add a callback for when all have sometimes: it is "succeeded" or "settled"',
  );
  assert(made.length === 0);
});
