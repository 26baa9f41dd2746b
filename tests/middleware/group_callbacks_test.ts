import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { group, GroupCallbacks, StubRateLimiterBackend } from "@dq/dramatiq";
import { withEnvironment } from "../support/environment.ts";
import { test } from "../support/test.ts";
import { groupCases, makeGroup } from "./group_cases.ts";
import { fail, failForGood, GroupFixture, groupLinesOf } from "./group_fixture.ts";
import { Placeholders } from "./placeholders.ts";
import { assertSameEvents, toShown } from "./wire_journal.ts";

for (const { label, run_arguments, events, actors_got_args } of groupCases) {
  if (events.length === 0) continue; // refused: see groups_test.ts

  // Reference: GroupCallbacks
  test(`GroupCallbacks settle case "${label}" as in Python`, async () => {
    await using fixture = new GroupFixture();
    if (label === "member-retries") fixture.acts["two"] = (runs) => void (runs === 0 && fail());
    if (label === "member-fails") fixture.acts["two"] = failForGood;
    await makeGroup(label, fixture).run(run_arguments);
    await fixture.work();
    assertSameEvents(fixture.journal.events.map(toShown), events, new Placeholders());
    assertEquals(fixture.got, actors_got_args);
  });
}

test("GroupCallbacks count a member once that runs twice", async () => {
  await using fixture = new GroupFixture();
  const { broker, journal, actors: { one, two, done } } = fixture;
  const made = group([one.message(), two.message(), two.message()], { broker });
  made.addCompletionCallback(done.message());
  await made.run({ delay: 10 });
  // The same delivery once more, as after a worker that died before it acknowledged.
  await fixture.deliverAgain(journal.events[0]!);
  await fixture.work();
  assertEquals(fixture.got.map(([name]) => name), ["one", "one", "two", "two", "done"]);
  const sent = journal.events.findIndex(({ actor_name }) => actor_name === "done");
  const acks = journal.events.slice(0, sent).filter(({ event, queue_name }) =>
    event === "ack" && queue_name === "goldq"
  );
  assertEquals(acks.length, 3); // all but that of the last member
});

test("GroupCallbacks send nothing again when all members run again", async () => {
  await using fixture = new GroupFixture();
  const { one, two } = fixture.actors;
  await fixture.run([one.message(), two.message()]);
  for (const event of fixture.journal.events.slice(0, 2)) await fixture.deliverAgain(event);
  await fixture.work();
  assertEquals([fixture.runsOf("one"), fixture.runsOf("done")], [3, 1]);
});

test("GroupCallbacks take the same message twice for two members", async () => {
  await using fixture = new GroupFixture();
  const message = fixture.actors.one.message();
  await fixture.run([message, message]);
  assertEquals([fixture.runsOf("one"), fixture.runsOf("done")], [2, 1]);
});

test("GroupCallbacks log an expired barrier, and send nothing", async () => {
  await using fixture = new GroupFixture();
  const { one, done } = fixture.actors;
  const made = group([one.message()], { broker: fixture.broker });
  made.addCompletionCallback(done.message());
  await made.run();
  await fixture.clock.advance(86_400_001);
  const lines = await groupLinesOf(() => fixture.work());
  assertEquals(fixture.got.map(([name]) => name), ["one"]);
  assertEquals(lines.map(({ level }) => level), ["error"]);
  assertMatch(lines[0]!.rawMessage as string, /^Dropped the callbacks of group \{group\}/);
});

test("GroupCallbacks dead-letter the member whose callbacks make no sense", async () => {
  await using fixture = new GroupFixture();
  const { one } = fixture.actors;
  await fixture.backend.add("group", 1, 60_000);
  const options = { groupCompletionUuid: "group", groupCompletionCallbacks: [{ no: "message" }] };
  await fixture.broker.enqueue(one.message().copy({ options }));
  await groupLinesOf(() => fixture.work());
  assertEquals(fixture.journal.events.map(({ event }) => event), ["enqueue", "nack"]);
});

// Reference: dramatiq_group_callback_barrier_ttl
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
    'Cannot add a completion callback for when "sometimes": it must be "succeeded" or "settled"',
  );
  assert(made.length === 0);
});
