import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { actor, type Broker, type Middleware, StubBroker, Worker } from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";
import { type GroupActors, groupCases, makeGroup } from "./group_cases.ts";
import { Placeholders } from "./placeholders.ts";
import { toShown, WireJournal } from "./wire_journal.ts";

/** Notes which groups it is to count, and how much was enqueued before. */
class Counting implements Middleware {
  readonly begun: { uuid: string; memberCount: number; enqueuedBefore: number }[] = [];
  readonly #journal: WireJournal;

  constructor(journal: WireJournal) {
    this.#journal = journal;
  }

  // deno-lint-ignore require-await -- a real one asks a server
  async beginGroup(_broker: Broker, uuid: string, memberCount: number): Promise<void> {
    this.begun.push({ uuid, memberCount, enqueuedBefore: this.#journal.events.length });
  }
}

interface Fixture {
  readonly clock: FakeClock;
  readonly journal: WireJournal;
  readonly counting: Counting;
  readonly broker: StubBroker;
  readonly got: unknown[];
  readonly actors: GroupActors;
}

function setFixture({ counts }: { counts: boolean }): Fixture {
  const clock = new FakeClock();
  const journal = new WireJournal();
  const counting = new Counting(journal);
  const middleware = counts ? [journal, counting] : [journal];
  const broker = new StubBroker({ clock, middleware });
  const got: unknown[] = [];
  const declare = (actorName: string) =>
    actor((...args: unknown[]) => {
      got.push([actorName, args]);
    }, { broker, actorName, queueName: "goldq" });
  const actors = {
    one: declare("one"),
    two: declare("two"),
    done: declare("done"),
    done2: declare("done2"),
  };
  return { clock, journal, counting, broker, got, actors };
}

const counted = groupCases.filter(({ run_raised, label }) =>
  !run_raised && label !== "no-callback"
);

for (const captured of counted) {
  const { label, run_arguments, events } = captured;

  // Reference: group.add_completion_callback
  test(`Group.run writes the members of case "${label}" as Python does`, async () => {
    const fixture = setFixture({ counts: true });
    const made = makeGroup(label, fixture);
    await made.run(run_arguments);

    const { journal, counting } = fixture;
    assertEquals(journal.events.length, made.length);
    const placeholders = new Placeholders();
    for (const [i, event] of journal.events.entries()) {
      placeholders.assertMatch(toShown(event), events[i], `member ${i}`);
    }
    const uuid = /"group_completion_uuid":"([^"]+)"/.exec(JSON.stringify(journal.events))?.[1];
    assertEquals(counting.begun, [{ uuid, memberCount: made.length, enqueuedBefore: 0 }]);
  });
}

test('Group.run needs no GroupCallbacks in case "no-callback"', async () => {
  const captured = groupCases.find(({ label }) => label === "no-callback")!;
  const fixture = setFixture({ counts: false });
  const { broker, clock, journal, got } = fixture;
  await makeGroup("no-callback", fixture).run();
  const placeholders = new Placeholders();
  for (const [i, event] of captured.events.slice(0, 2).entries()) {
    const { message, args, options } = journal.events[i]!;
    assert(journal.events[i]!.event === event.event);
    placeholders.assertMatch(message, event.message, `message ${i}`);
    placeholders.assertMatch({ args, options }, {
      args: event["args"],
      options: event["options"],
    }, `member ${i}`);
  }
  await using worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await clock.waitFor(broker.join("goldq"));
  assertEquals(got, captured.actors_got_args);
});

/** Stand-ins for the exceptions that Python raises. */
const RAISED: Record<string, new () => Error> = {
  "nested-group-with-callback": TypeError, // NotImplementedError
  "empty-group-with-callback": RangeError, // AssertionError
};

for (const { label, actors_got_args } of groupCases.filter(({ run_raised }) => run_raised)) {
  test(`Group.run refuses case "${label}" and sends nothing`, async () => {
    const fixture = setFixture({ counts: true });
    const error = await assertRejects(() => makeGroup(label, fixture).run(), Error, "callbacks");
    assertInstanceOf(error, RAISED[label]!);
    assertEquals(fixture.journal.events, []);
    assertEquals(fixture.counting.begun, []);
    assertEquals(actors_got_args, []);
  });
}

test("Group.run refuses callbacks without GroupCallbacks and sends nothing", async () => {
  const fixture = setFixture({ counts: false });
  await assertRejects(() => makeGroup("callback", fixture).run(), TypeError, "GroupCallbacks");
  assertEquals(fixture.journal.events, []);
});

// Reference: group.run
test("Group.run gives every run a UUID of its own", async () => {
  const fixture = setFixture({ counts: true });
  const made = makeGroup("callback", fixture);
  await made.run();
  await made.run();
  const uuids = fixture.counting.begun.map(({ uuid }) => uuid);
  assertEquals(new Set(uuids).size, 2);
});
