import { assertEquals } from "@std/assert";
import { actor, StubBroker, Worker } from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { type RecordedEvent, Recorder } from "../support/recorder.ts";
import { test } from "../support/test.ts";
import vectors from "../vectors/hooks.json" with { type: "json" };
import { type RunScenario, SCENARIO_RUNS, type Setup } from "./hook_scenarios.ts";

/** A scenario of the capture. */
interface Scenario {
  readonly scenario: string;
  /** In the order of all runs, where that was the same. */
  readonly events?: readonly RecordedEvent[];
  /** Else in the order of each thread. */
  readonly events_by_thread?: Readonly<Record<string, readonly RecordedEvent[]>>;
}

/** Scenarios in which other events are right here, why, and which. */
const DIFFERENCES: Record<string, { reason: string; events: readonly RecordedEvent[] }> = {
  "middleware-added-later": {
    reason: "delay queues are not among the queues of a broker here, as with Python's real brokers",
    events: [
      { hook: "after_declare_actor", actor: "acted" },
      { hook: "after_declare_queue", queue_name: "goldq" },
      { hook: "after_declare_delay_queue", queue_name: "goldq.DQ" },
    ],
  },
  "worker-boot": {
    reason: "queues are told in the order of their declaration here, in that of a set there",
    events: [
      { hook: "before_worker_boot", worker: true },
      { hook: "after_consumer_thread_boot", thread_object: "ConsumerThread(goldq)" },
      { hook: "after_consumer_thread_boot", thread_object: "ConsumerThread(goldq.DQ)" },
      { hook: "after_worker_thread_boot", thread_object: "WorkerThread" },
      { hook: "after_worker_boot", worker: true },
    ],
  },
};

/**
 * Scenarios of which only the order within each of Python's threads is compared:
 * the acknowledgement of a delayed message overlaps with the run of the message
 * that it became, here as there, only that there the consumer always won.
 */
const OVERLAPPING: ReadonlySet<string> = new Set([
  "failure-with-retry",
  "delayed",
  "delayed-unknown-actor",
]);

const scenarios = vectors.order as unknown as readonly Scenario[];

for (const one of scenarios) {
  const [runScenario, setup] = SCENARIO_RUNS[one.scenario] ?? [undefined];
  const difference = DIFFERENCES[one.scenario];
  const note = difference === undefined ? "as in Python" : `differently: ${difference.reason}`;

  // Reference: Middleware, Middleware.before_ack, Middleware.after_ack, Middleware.before_nack
  // Reference: Middleware.after_nack, Middleware.before_declare_actor
  // Reference: Middleware.after_declare_actor, Middleware.before_declare_queue
  // Reference: Middleware.after_declare_queue, Middleware.after_declare_delay_queue
  // Reference: Middleware.before_enqueue, Middleware.after_enqueue
  // Reference: Middleware.before_delay_message, Middleware.before_process_message
  // Reference: Middleware.after_process_message, Middleware.after_skip_message
  // Reference: Middleware.before_worker_boot, Middleware.after_worker_boot
  // Reference: Middleware.before_worker_shutdown, Middleware.after_worker_shutdown
  // Reference: Middleware.after_consumer_thread_boot, Middleware.before_consumer_thread_shutdown
  // Reference: Middleware.after_worker_thread_boot, Middleware.before_worker_thread_shutdown
  test(`Worker and Broker call hooks in scenario "${one.scenario}" ${note}`, async () => {
    if (runScenario === undefined) throw new Error(`Scenario ${one.scenario} is not run`);
    const actual = await perform(runScenario, setup);
    if (difference !== undefined) {
      assertEquals(actual, difference.events);
    } else if (one.events === undefined || OVERLAPPING.has(one.scenario)) {
      assertSameOrderPerThread(actual, one);
    } else {
      assertEquals(actual, one.events.map(withoutThread));
    }
  });
}

test("Worker receives at once from a queue that is declared while it runs", async () => {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, middleware: [] });
  await using worker = new Worker(broker);
  await worker.start();
  let ran = false;
  const late = actor(function late() {
    ran = true;
  }, { broker, queueName: "goldlate" });
  await late.send();
  await clock.settle();
  assertEquals(ran, true);
});

async function perform(runScenario: RunScenario, setup: Setup = {}): Promise<RecordedEvent[]> {
  const { middleware = (events) => [new Recorder({ events })] } = setup;
  const clock = new FakeClock();
  const events: RecordedEvent[] = [];
  const broker = new StubBroker({ clock, middleware: middleware(events) });
  const fixture = { clock, events, broker, worker: new Worker(broker, { concurrency: 1 }) };
  await runScenario(fixture);
  assertEquals(clock.pendingTimers, 0, "timers are left");
  return events.map((event) => withoutComputedDelay(event));
}

function withoutThread({ thread: _, ...event }: RecordedEvent): RecordedEvent {
  return event;
}

/** A backoff has jitter; the capture holds a placeholder for it. */
function withoutComputedDelay(event: RecordedEvent): RecordedEvent {
  const { options } = event["message"] as { options: string[] } | undefined ?? { options: [] };
  const isRetry = options.includes("retries") && typeof event["delay"] === "number";
  return isRetry ? { ...event, delay: "<delay>" } : event;
}

/** Each event once, and those of each thread in its order. */
function assertSameOrderPerThread(actual: readonly RecordedEvent[], one: Scenario): void {
  const expected = one.events ?? Object.values(one.events_by_thread!).flat();
  const keys = actual.map((event) => keyOf(event));
  const left = new Map(keys.map((key, index) => [index, key]));
  const last = new Map<unknown, number>();
  for (const event of expected) {
    const key = keyOf(withoutThread(event));
    const index = [...left].find(([, other]) => other === key)?.[0];
    if (index === undefined) throw new Error(`Not called: ${key}\n${keys.join("\n")}`);
    left.delete(index);
    const { thread } = event;
    if (index < (last.get(thread) ?? -1)) {
      throw new Error(`Called too early for ${thread}: ${key}\n${keys.join("\n")}`);
    }
    last.set(thread, index);
  }
  assertEquals([...left.values()], [], "called besides");
}

/** Returns equal texts for equal events, in any order of their keys. */
function keyOf(event: RecordedEvent): string {
  return JSON.stringify(
    event,
    (_key, value) =>
      value === null || typeof value !== "object" || Array.isArray(value)
        ? value
        : Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1)),
  );
}
