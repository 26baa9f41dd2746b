import { assertEquals } from "@std/assert";
import {
  ConnectionClosed,
  group,
  type GroupProgress,
  StubRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { failForGood, GroupFixture, groupLinesOf, skip } from "./group_fixture.ts";

/** Fails as a server does that is away. */
class FailingBackend extends StubRateLimiterBackend {
  failures = 0;
  failingConclusions = 0;

  override countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    if (this.failures-- > 0) return Promise.reject(new ConnectionClosed("The server is away"));
    return super.countMember(group, member, ttl);
  }

  override concludeGroup(group: string, ttl: number): Promise<void> {
    if (this.failingConclusions-- > 0) {
      return Promise.reject(new ConnectionClosed("The server is away"));
    }
    return super.concludeGroup(group, ttl);
  }
}

test("GroupCallbacks wait for a server that is away for a while", async () => {
  const backend = new FailingBackend();
  await using fixture = new GroupFixture(backend);
  backend.failures = 4;
  await fixture.run([fixture.actors.one.message()]);
  assertEquals(fixture.got.map(([name]) => name), ["one", "done"]);
});

test("GroupCallbacks keep a member from being acknowledged that cannot be counted", async () => {
  const backend = new FailingBackend();
  await using fixture = new GroupFixture(backend);
  backend.failures = 5;
  await groupLinesOf(() => fixture.run([fixture.actors.one.message()]));
  assertEquals(fixture.got.map(([name]) => name), ["one", "one", "done"]);
  assertEquals(fixture.journal.events.filter(({ event }) => event === "ack").length, 2);
});

for (
  const [ending, act] of Object.entries({ "fails for good": failForGood, "skips itself": skip })
) {
  test(`GroupCallbacks keep a member from being settled that ${ending} and cannot be counted`, async () => {
    const backend = new FailingBackend();
    await using fixture = new GroupFixture(backend);
    fixture.acts["two"] = act;
    backend.failures = 5;
    await groupLinesOf(() => fixture.run([fixture.actors.two.message()], { when: "settled" }));
    assertEquals(fixture.got.map(([name]) => name), ["two", "two", "done"]);
  });
}

test("GroupCallbacks acknowledge a member whose callbacks were sent, noted or not", async () => {
  const backend = new FailingBackend();
  await using fixture = new GroupFixture(backend);
  backend.failingConclusions = Infinity;
  const lines = await groupLinesOf(() => fixture.run([fixture.actors.one.message()]));
  assertEquals(fixture.got.map(([name]) => name), ["one", "done"]);
  assertEquals(lines.map(({ level }) => level), ["warning"]);
});

test("GroupCallbacks note that callbacks were sent though the server is away for a while", async () => {
  const backend = new FailingBackend();
  await using fixture = new GroupFixture(backend);
  backend.failingConclusions = 4;
  const lines = await groupLinesOf(() => fixture.run([fixture.actors.one.message()]));
  assertEquals(lines, []);
  const { group_completion_uuid: uuid } = fixture.journal.events[0]!["options"] as Record<
    string,
    string
  >;
  assertEquals(await backend.countMember(uuid!, "any", 60_000), "concluded");
});

for (const hasSent of [true, false]) {
  const what = hasSent ? "and leave it at that" : "or send them if it has died";
  test(`GroupCallbacks wait for another worker to send the callbacks, ${what}`, async () => {
    await using fixture = new GroupFixture();
    const { backend, clock, broker, journal } = fixture;
    const made = group([fixture.actors.one.message()], { broker });
    made.addCompletionCallback(fixture.actors.done.message());
    await made.run();
    const { group_completion_uuid: uuid } = journal.events[0]!["options"] as Record<string, string>;
    assertEquals(await backend.countMember(uuid!, journal.events[0]!.message, 60_000), "complete");

    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    await clock.advance(9_000);
    assertEquals(fixture.got.map(([name]) => name), ["one"]);
    if (hasSent) await backend.concludeGroup(uuid!, 60_000);
    await clock.waitFor(broker.join("goldq"));
    assertEquals(fixture.runsOf("done"), hasSent ? 0 : 1);
  });
}
