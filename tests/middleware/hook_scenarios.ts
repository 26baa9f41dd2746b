import {
  type Actor,
  actor,
  type ActorOptions,
  type Broker,
  type Message,
  type MessageProxy,
  type Middleware,
  Retries,
  SkipMessage,
  type StubBroker,
  type Worker,
} from "@dq/dramatiq";
import { errorType } from "../../platform/thrown.ts";
import type { FakeClock } from "../support/fake_clock.ts";
import { type RecordedEvent, Recorder } from "../support/recorder.ts";

class ValueError extends Error {}

/** Fixture: what a scenario has in flight. */
export interface Fixture {
  readonly clock: FakeClock;
  readonly events: RecordedEvent[];
  readonly broker: StubBroker;
  readonly worker: Worker;
}

/** Setup of a fixture. */
export interface Setup {
  /** The whole list, `events` being where its recorders write. */
  middleware?: (events: RecordedEvent[]) => readonly Middleware[];
}

/** Steps in a scenario. */
export type RunScenario = (fixture: Fixture) => Promise<void>;

function declareActor(
  { broker, events }: Fixture,
  run: () => unknown = () => {},
  options: ActorOptions = {},
): Actor<[], unknown> {
  return actor(() => {
    events.push({ actor_runs: "acted" });
    return run();
  }, { broker, actorName: "acted", queueName: "goldq", ...options });
}

/** Starts the worker, records what `action` brings about, and waits for the end of it. */
async function record(fixture: Fixture, action: () => Promise<unknown>): Promise<void> {
  const { clock, events, broker, worker } = fixture;
  await worker.start();
  events.length = 0;
  await action();
  await clock.waitFor(broker.join("goldq", { failFast: false }));
  await worker.join();
  const recorded = [...events];
  await worker.stop();
  events.splice(0, Infinity, ...recorded);
}

/** Sends one message to an actor. */
function sends(run?: () => unknown, options?: ActorOptions): RunScenario {
  return (fixture) => {
    const acted = declareActor(fixture, run, options);
    return record(fixture, () => acted.send());
  };
}

/** Sends one message that the `Skipping` middleware is to see. */
const sendsToBeSkipped: RunScenario = (fixture) => {
  const acted = declareActor(fixture);
  return record(fixture, () => acted.sendWithOptions({ skip: true }));
};

class Skipping implements Middleware {
  readonly #act: (message: MessageProxy) => void;

  constructor(act: (message: MessageProxy) => void) {
    this.#act = act;
  }

  beforeProcessMessage(_broker: Broker, message: MessageProxy): void {
    if (message.option("skip") === true) this.#act(message);
  }
}

function skip(): never {
  throw new SkipMessage("not today");
}

function fail(): never {
  throw new ValueError("nope");
}

function failOnce(): () => void {
  let runs = 0;
  return () => {
    runs += 1;
    if (runs === 1) fail();
  };
}

/** A message for an actor that only another worker has. */
function forNobody(fixture: Fixture): Message {
  return declareActor(fixture).message().copy({ actorName: "nobody" });
}

const recorderAndRetries = (events: RecordedEvent[]) => [new Recorder({ events }), new Retries()];

/** Steps in each scenario of `order` in `vectors/hooks.json`. */
export const SCENARIO_RUNS: Record<string, [RunScenario, Setup?]> = {
  "declare": [(fixture) => {
    declareActor(fixture);
    actor(() => {}, { broker: fixture.broker, actorName: "acted2", queueName: "goldq" });
    fixture.broker.declareQueue("goldother");
    fixture.broker.declareQueue("goldother");
    return Promise.resolve();
  }],
  "middleware-added-later": [(fixture) => {
    declareActor(fixture);
    fixture.broker.addMiddleware(new Recorder({ events: fixture.events }));
    return Promise.resolve();
  }, { middleware: () => [] }],
  "worker-boot": [async (fixture) => {
    declareActor(fixture);
    fixture.events.length = 0;
    await fixture.worker.start();
    const recorded = [...fixture.events];
    await fixture.worker.stop();
    fixture.events.splice(0, Infinity, ...recorded);
  }],
  "worker-stop": [async (fixture) => {
    declareActor(fixture);
    await fixture.worker.start();
    fixture.events.length = 0;
    await fixture.worker.stop();
  }],
  "worker-stop-busy": [async (fixture) => {
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const acted = declareActor(fixture, () => {
      started.resolve();
      return gate.promise;
    });
    await fixture.worker.start();
    await acted.send();
    await started.promise;
    fixture.events.length = 0;
    const stopped = fixture.worker.stop();
    await fixture.clock.settle();
    gate.resolve();
    await stopped;
  }],
  "queue-declared-while-running": [async (fixture) => {
    await fixture.worker.start();
    fixture.events.length = 0;
    fixture.broker.declareQueue("goldlate");
    const recorded = [...fixture.events];
    await fixture.worker.stop();
    fixture.events.splice(0, Infinity, ...recorded);
  }],
  "success": [sends(() => 7)],
  "failure-with-retry": [(fixture) => sends(failOnce())(fixture), {
    middleware: recorderAndRetries,
  }],
  "failure-max-retries-0": [sends(fail, { maxRetries: 0 }), { middleware: recorderAndRetries }],
  "failure-without-retries-middleware": [sends(fail)],
  "failure-throws": [sends(fail, { throws: ValueError }), { middleware: recorderAndRetries }],
  "skipped": [sendsToBeSkipped, {
    middleware: (events) => [new Recorder({ events }), new Skipping(skip)],
  }],
  "skipped-and-failed": [sendsToBeSkipped, {
    middleware: (events) => [
      new Recorder({ events }),
      new Skipping((message) => {
        message.fail();
        skip();
      }),
    ],
  }],
  "failed-not-raised": [sendsToBeSkipped, {
    middleware: (
      events,
    ) => [new Recorder({ events }), new Skipping((message) => message.fail())],
  }],
  "delayed": [(fixture) => {
    const acted = declareActor(fixture);
    return record(fixture, () => acted.sendWithOptions({ delay: 100 }));
  }],
  "unknown-actor": [(fixture) => {
    const message = forNobody(fixture);
    return record(fixture, () => fixture.broker.enqueue(message));
  }],
  "delayed-unknown-actor": [(fixture) => {
    const message = forNobody(fixture);
    return record(fixture, () => fixture.broker.enqueue(message, { delay: 100 }));
  }],
  "skip-raised-by-actor": [sends(skip)],
  "enqueue-undeclared-queue": [async (fixture) => {
    const message = declareActor(fixture).message().copy({ queueName: "nowhere" });
    fixture.events.length = 0;
    try {
      await fixture.broker.enqueue(message);
    } catch (error) {
      fixture.events.push({ raised_to_caller: errorType(error) });
    }
  }],
  "two-middlewares": [sends(), {
    middleware: (events) => ["A", "B"].map((name) => new Recorder({ events, name })),
  }],
};
