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
import { errorType } from "../../core/thrown.ts";
import type { FakeClock } from "../support/fake_clock.ts";
import { type RecordedEvent, Recorder } from "../support/recorder.ts";

class ValueError extends Error {}

/** What a scenario has at hand. */
export interface Stage {
  readonly clock: FakeClock;
  readonly events: RecordedEvent[];
  readonly broker: StubBroker;
  readonly worker: Worker;
}

/** How a stage is set up. */
export interface Setup {
  /** The whole list, `events` being where its recorders write. */
  middleware?: (events: RecordedEvent[]) => readonly Middleware[];
}

/** What is done in a scenario. */
export type Play = (stage: Stage) => Promise<void>;

function declareActor(
  { broker, events }: Stage,
  run: () => unknown = () => {},
  options: ActorOptions = {},
): Actor<[], unknown> {
  return actor(() => {
    events.push({ actor_runs: "acted" });
    return run();
  }, { broker, actorName: "acted", queueName: "goldq", ...options });
}

/** Starts the worker, records what `action` brings about, and waits for the end of it. */
async function record(stage: Stage, action: () => Promise<unknown>): Promise<void> {
  const { clock, events, broker, worker } = stage;
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
function sends(run?: () => unknown, options?: ActorOptions): Play {
  return (stage) => {
    const acted = declareActor(stage, run, options);
    return record(stage, () => acted.send());
  };
}

/** Sends one message that the `Skipping` middleware is to see. */
const sendsToBeSkipped: Play = (stage) => {
  const acted = declareActor(stage);
  return record(stage, () => acted.sendWithOptions({ skip: true }));
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
function forNobody(stage: Stage): Message {
  return declareActor(stage).message().copy({ actorName: "nobody" });
}

const recorderAndRetries = (events: RecordedEvent[]) => [new Recorder({ events }), new Retries()];

/** What is done in each scenario of `order` in `vectors/hooks.json`. */
export const PLAYS: Record<string, [Play, Setup?]> = {
  "declare": [(stage) => {
    declareActor(stage);
    actor(() => {}, { broker: stage.broker, actorName: "acted2", queueName: "goldq" });
    stage.broker.declareQueue("goldother");
    stage.broker.declareQueue("goldother");
    return Promise.resolve();
  }],
  "middleware-added-later": [(stage) => {
    declareActor(stage);
    stage.broker.addMiddleware(new Recorder({ events: stage.events }));
    return Promise.resolve();
  }, { middleware: () => [] }],
  "worker-boot": [async (stage) => {
    declareActor(stage);
    stage.events.length = 0;
    await stage.worker.start();
    const recorded = [...stage.events];
    await stage.worker.stop();
    stage.events.splice(0, Infinity, ...recorded);
  }],
  "worker-stop": [async (stage) => {
    declareActor(stage);
    await stage.worker.start();
    stage.events.length = 0;
    await stage.worker.stop();
  }],
  "worker-stop-busy": [async (stage) => {
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const acted = declareActor(stage, () => {
      started.resolve();
      return gate.promise;
    });
    await stage.worker.start();
    await acted.send();
    await started.promise;
    stage.events.length = 0;
    const stopped = stage.worker.stop();
    await stage.clock.settle();
    gate.resolve();
    await stopped;
  }],
  "queue-declared-while-running": [async (stage) => {
    await stage.worker.start();
    stage.events.length = 0;
    stage.broker.declareQueue("goldlate");
    const recorded = [...stage.events];
    await stage.worker.stop();
    stage.events.splice(0, Infinity, ...recorded);
  }],
  "success": [sends(() => 7)],
  "failure-with-retry": [(stage) => sends(failOnce())(stage), { middleware: recorderAndRetries }],
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
  "delayed": [(stage) => {
    const acted = declareActor(stage);
    return record(stage, () => acted.sendWithOptions({ delay: 100 }));
  }],
  "unknown-actor": [(stage) => {
    const message = forNobody(stage);
    return record(stage, () => stage.broker.enqueue(message));
  }],
  "delayed-unknown-actor": [(stage) => {
    const message = forNobody(stage);
    return record(stage, () => stage.broker.enqueue(message, { delay: 100 }));
  }],
  "skip-raised-by-actor": [sends(skip)],
  "enqueue-undeclared-queue": [async (stage) => {
    const message = declareActor(stage).message().copy({ queueName: "nowhere" });
    stage.events.length = 0;
    try {
      await stage.broker.enqueue(message);
    } catch (error) {
      stage.events.push({ raised_to_caller: errorType(error) });
    }
  }],
  "two-middlewares": [sends(), {
    middleware: (events) => ["A", "B"].map((name) => new Recorder({ events, name })),
  }],
};
