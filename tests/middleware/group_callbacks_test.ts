import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type Actor,
  actor,
  type Broker,
  type CompletionCallbackOptions,
  ConnectionClosed,
  defaultMiddleware,
  type Group,
  group,
  GroupCallbacks,
  type GroupProgress,
  type GroupStep,
  type MessageOptions,
  type MessageProxy,
  type Middleware,
  pipeline,
  SkipMessage,
  StubBroker,
  StubRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { FakeClock } from "../support/fake_clock.ts";
import { withEnvironment } from "../support/environment.ts";
import { test } from "../support/test.ts";
import vectors from "../vectors/retries.json" with { type: "json" };
import { Placeholders } from "./placeholders.ts";
import { assertSameEvents, type WireEvent, WireJournal } from "./wire_journal.ts";

/** An entry of `groups` in the capture. */
interface GroupCase {
  readonly label: string;
  readonly run_arguments?: { readonly delay: number };
  readonly actors_got_args: readonly unknown[];
  readonly events: readonly WireEvent[];
  readonly run_raised?: string;
}

/** No retry helps. */
class Hopeless extends Error {}

/** What members and callbacks do, and got. */
class Stage implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly journal: WireJournal = new WireJournal();
  readonly got: [name: string, args: readonly unknown[]][] = [];
  /** What an actor does when it runs, before it returns its arguments. */
  readonly acts: Record<string, (runs: number) => void> = {};
  readonly backend: StubRateLimiterBackend;
  readonly broker: StubBroker;
  readonly actors: Readonly<Record<"one" | "two" | "done" | "done2", Actor>>;

  constructor(backend?: StubRateLimiterBackend, middleware: readonly Middleware[] = []) {
    this.backend = backend ?? new StubRateLimiterBackend({ clock: this.clock });
    this.broker = new StubBroker({
      clock: this.clock,
      failFast: false,
      middleware: [
        this.journal,
        ...middleware,
        ...defaultMiddleware(),
        new GroupCallbacks(this.backend),
      ],
    });
    const declare = (actorName: string) => {
      let runs = 0;
      return actor((...args: unknown[]) => {
        this.got.push([actorName, args]);
        this.acts[actorName]?.(runs++);
        return args;
      }, { broker: this.broker, actorName, queueName: "goldq", maxRetries: 1, throws: Hopeless });
    };
    this.actors = {
      one: declare("one"),
      two: declare("two"),
      done: declare("done"),
      done2: declare("done2"),
    };
  }

  /** Works until nothing is left to do. */
  async work(): Promise<void> {
    await using worker = new Worker(this.broker, { concurrency: 1 });
    await worker.start();
    await this.clock.waitFor(this.broker.join("goldq"));
  }

  /** Runs a group with the callback `done`, to its end. */
  async run(members: readonly GroupStep[], options: CompletionCallbackOptions = {}): Promise<void> {
    const made = group(members, { broker: this.broker });
    made.addCompletionCallback(this.actors.done.message(), options);
    await made.run();
    await this.work();
  }

  /** Puts a message on its queue again, for `one` to run. */
  async deliverAgain({ message, options }: WireEvent): Promise<void> {
    const copy = { messageId: message, options: options as MessageOptions };
    await this.broker.enqueue(this.actors.one.message().copy(copy));
  }

  /** How often an actor ran. */
  runsOf(name: string): number {
    return this.got.filter(([one]) => one === name).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close();
    await this.broker.close();
  }
}

const fail = () => {
  throw new Error("nope");
};

const failForGood = () => {
  throw new Hopeless("nope");
};

/** The members and the callbacks of each case, which the capture leaves to its label. */
function makeGroup(label: string, { actors, broker }: Stage): Group {
  const { one, two, done, done2 } = actors;
  const parts: Record<string, readonly GroupStep[]> = {
    "two-callbacks": [one.message(1)],
    "pipeline-member": [pipeline([one.message(1), two.message(2)], { broker })],
  };
  const made = group(parts[label] ?? [one.message(1), two.message(2)], { broker });
  if (label === "two-callbacks") {
    made.addCompletionCallback(done.message("x"));
    made.addCompletionCallback(done2.message("y"));
  } else if (label !== "no-callback") {
    made.addCompletionCallback(label === "callback" ? done.message("all") : done.message());
  }
  return made as Group;
}

const cases = vectors.groups as unknown as readonly GroupCase[];

for (const { label, run_arguments, events, actors_got_args } of cases) {
  if (events.length === 0) continue; // refused: see groups_test.ts

  test(`GroupCallbacks settle case "${label}" as in Python`, async () => {
    await using stage = new Stage();
    if (label === "member-retries") stage.acts["two"] = (runs) => void (runs === 0 && fail());
    if (label === "member-fails") stage.acts["two"] = failForGood;
    await makeGroup(label, stage).run(run_arguments);
    await stage.work();
    const shown = stage.journal.events.map((event) => {
      const { event: kind, message, queue_name, actor_name, args, delay, options } = event;
      if (kind !== "enqueue") return { event: kind, message };
      const wait = delay === undefined ? {} : { delay };
      return { event: kind, message, queue_name, actor_name, args, ...wait, options };
    });
    assertSameEvents(shown, events, new Placeholders());
    assertEquals(stage.got, actors_got_args);
  });
}

test("GroupCallbacks count a member once that runs twice", async () => {
  await using stage = new Stage();
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
  await using stage = new Stage();
  const { one, two } = stage.actors;
  await stage.run([one.message(), two.message()]);
  for (const event of stage.journal.events.slice(0, 2)) await stage.deliverAgain(event);
  await stage.work();
  assertEquals([stage.runsOf("one"), stage.runsOf("done")], [3, 1]);
});

test("GroupCallbacks take the same message twice for two members", async () => {
  await using stage = new Stage();
  const message = stage.actors.one.message();
  await stage.run([message, message]);
  assertEquals([stage.runsOf("one"), stage.runsOf("done")], [2, 1]);
});

test("GroupCallbacks log an expired barrier, and send nothing", async () => {
  await using stage = new Stage();
  const { one, done } = stage.actors;
  const made = group([one.message()], { broker: stage.broker });
  made.addCompletionCallback(done.message());
  await made.run();
  await stage.clock.advance(86_400_001);
  const lines = await linesOf(() => stage.work());
  assertEquals(stage.got.map(([name]) => name), ["one"]);
  assertEquals(lines.map(({ level }) => level), ["error"]);
  assertMatch(lines[0]!.rawMessage as string, /^The callbacks of group \{group\} are not sent/);
});

const skip = () => {
  throw new SkipMessage("nothing to do");
};
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

/** Ways for the member `two` to end other than by success. */
const endings: Readonly<Record<string, { middleware?: Middleware; act?: () => void }>> = {
  "fails for good": { act: fail },
  "is skipped by a middleware": { middleware: skips },
  "is skipped and failed by a middleware": { middleware: skipsAndFails },
  "skips itself": { act: skip },
};

for (const [ending, { middleware, act }] of Object.entries(endings)) {
  const setStage = () => {
    const stage = new Stage(undefined, middleware === undefined ? [] : [middleware]);
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
    const broken = pipeline([one.message(), two.message(), done2.message()], stage);
    await stage.run([broken, one.message()], { when: "settled" });
    assertEquals([stage.runsOf("one"), stage.runsOf("done2"), stage.runsOf("done")], [2, 0, 1]);
  });
}

test("GroupCallbacks count members that nobody knows as settled", async () => {
  await using stage = new Stage();
  const { one } = stage.actors;
  const unknown = one.message().copy({ actorName: "nobody" });
  await stage.run([unknown, one.message()], { when: "settled" });
  assertEquals(stage.runsOf("done"), 1);
});

test("GroupCallbacks send both kinds, each when its time has come", async () => {
  await using stage = new Stage();
  const { one, two, done, done2 } = stage.actors;
  const run = async () => {
    const piped = pipeline([one.message(), two.message()], stage);
    const made = group([piped, one.message()], stage);
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
  await using stage = new Stage();
  const { one, done } = stage.actors;
  const optionsWith = async (options: CompletionCallbackOptions) => {
    const made = group([one.message()], stage);
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

/** Fails as a server does that is away. */
class FailingBackend extends StubRateLimiterBackend {
  failures = 0;
  concludes = true;

  override countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    if (this.failures-- > 0) return Promise.reject(new ConnectionClosed("The server is away"));
    return super.countMember(group, member, ttl);
  }

  override concludeGroup(group: string, ttl: number): Promise<void> {
    if (!this.concludes) return Promise.reject(new ConnectionClosed("The server is away"));
    return super.concludeGroup(group, ttl);
  }
}

test("GroupCallbacks wait for a server that is away for a while", async () => {
  const backend = new FailingBackend();
  await using stage = new Stage(backend);
  backend.failures = 4;
  await stage.run([stage.actors.one.message()]);
  assertEquals(stage.got.map(([name]) => name), ["one", "done"]);
});

test("GroupCallbacks keep a member from being acknowledged that cannot be counted", async () => {
  const backend = new FailingBackend();
  await using stage = new Stage(backend);
  backend.failures = 5;
  await linesOf(() => stage.run([stage.actors.one.message()]));
  assertEquals(stage.got.map(([name]) => name), ["one", "one", "done"]);
  assertEquals(stage.journal.events.filter(({ event }) => event === "ack").length, 2);
});

for (
  const [ending, act] of Object.entries({ "fails for good": failForGood, "skips itself": skip })
) {
  test(`GroupCallbacks keep a member from being settled that ${ending} and cannot be counted`, async () => {
    const backend = new FailingBackend();
    await using stage = new Stage(backend);
    stage.acts["two"] = act;
    backend.failures = 5;
    await linesOf(() => stage.run([stage.actors.two.message()], { when: "settled" }));
    assertEquals(stage.got.map(([name]) => name), ["two", "two", "done"]);
  });
}

test("GroupCallbacks acknowledge a member whose callbacks were sent, noted or not", async () => {
  const backend = new FailingBackend();
  await using stage = new Stage(backend);
  backend.concludes = false;
  const lines = await linesOf(() => stage.run([stage.actors.one.message()]));
  assertEquals(stage.got.map(([name]) => name), ["one", "done"]);
  assertEquals(lines.map(({ level }) => level), ["warning"]);
});

for (const hasSent of [true, false]) {
  const what = hasSent ? "and leave it at that" : "or send them if it has died";
  test(`GroupCallbacks wait for another worker to send the callbacks, ${what}`, async () => {
    await using stage = new Stage();
    const { backend, clock, broker, journal } = stage;
    const made = group([stage.actors.one.message()], { broker });
    made.addCompletionCallback(stage.actors.done.message());
    await made.run();
    const { group_completion_uuid: uuid } = journal.events[0]!["options"] as Record<string, string>;
    assertEquals(await backend.countMember(uuid!, journal.events[0]!.message, 60_000), "complete");

    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    await clock.advance(9_000);
    assertEquals(stage.got.map(([name]) => name), ["one"]);
    if (hasSent) await backend.concludeGroup(uuid!, 60_000);
    await clock.waitFor(broker.join("goldq"));
    assertEquals(stage.runsOf("done"), hasSent ? 0 : 1);
  });
}

test("GroupCallbacks dead-letter the member whose callbacks make no sense", async () => {
  await using stage = new Stage();
  const { one } = stage.actors;
  await stage.backend.add("group", 1, 60_000);
  const options = { groupCompletionUuid: "group", groupCompletionCallbacks: [{ no: "message" }] };
  await stage.broker.enqueue(one.message().copy({ options }));
  await linesOf(() => stage.work());
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

/** What GroupCallbacks log meanwhile. */
async function linesOf(run: () => Promise<void>): Promise<LogRecord[]> {
  const lines: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { list: (line) => lines.push(line) },
    loggers: [
      { category: ["dramatiq", "middleware", "GroupCallbacks"], sinks: ["list"] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await run();
  } finally {
    await reset();
  }
  return lines;
}
