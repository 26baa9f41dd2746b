import { assertEquals } from "@std/assert";
import {
  actor,
  Message,
  type Middleware,
  Prometheus,
  SkipMessage,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { defaultMiddleware } from "../../../middleware/defaults.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import vectors from "../../vectors/metrics.json" with { type: "json" };
import { readExposition, sampleKey } from "./exposition_text.ts";

const HOUR = 3_600_000;

/** Skips messages that are to be skipped. */
const skipping: Middleware = {
  beforeProcessMessage(_broker, message) {
    if (message.args[0] === "skip") throw new SkipMessage("The test wants it");
  },
};

/** Events on a queue, and goes on. */
export interface CapturedRun extends AsyncDisposable {
  readonly prometheus: Prometheus;
  /** Lets the message end that is being worked on. */
  release(): Promise<void>;
}

/**
 * Does what the capture did (`scenario.about` in `vectors/metrics.json`): messages
 * that succeed, fail and are retried, are delayed, skipped, too old, for nobody, and one
 * that is being worked on.
 *
 * @returns The state in which the capture was made.
 */
export async function playCapturedRun(): Promise<CapturedRun> {
  const clock = new FakeClock();
  const prometheus = new Prometheus();
  const broker = new StubBroker({
    clock,
    middleware: [prometheus, ...defaultMiddleware(), skipping],
  });
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const options = { broker, queueName: "goldq" };
  const good = actor(function good(_what?: string) {}, options);
  const bad = actor(function bad() {
    throw new Error("As it should");
  }, { ...options, maxRetries: 1 });
  const hold = actor(function hold() {
    return released;
  }, options);

  const worker = new Worker(broker);
  await worker.start();
  await good.sendMany([[], [], []]);
  await bad.send();
  await good.sendWithOptions({ delay: 50 });
  await good.send("skip");
  await broker.enqueue(
    good.message().copy({
      messageTimestamp: clock.now() - 1_000,
      options: { maxAge: 1 },
    }),
  );
  await broker.enqueue(new Message({ queueName: "goldq", actorName: "nobody", args: [] }));
  await clock.advance(60_000); // the retry among the rest
  await good.sendWithOptions({ delay: HOUR });
  await hold.send();
  await clock.settle();

  return {
    prometheus,
    async release() {
      resolve();
      await clock.settle();
    },
    async [Symbol.asyncDispose]() {
      resolve();
      await worker.stop();
      await broker.close();
    },
  };
}

/** A sample of the capture. */
interface CapturedSample {
  readonly name: string;
  readonly labels: readonly (readonly string[])[];
  /** `<number>` where it depends on time. */
  readonly value: string;
}

/**
 * Compares what is served with what Python served in the same situation.
 *
 * @param text What is served.
 * @param captured The samples of the capture.
 * @param differences The samples that are to be different, and what they are here;
 *   `undefined` for those that are not to be there.
 */
export function assertServedAsCaptured(
  text: string,
  captured: readonly CapturedSample[],
  differences: Readonly<Record<string, number | undefined>>,
): void {
  const { families, samples } = readExposition(text);
  for (const { family, type } of vectors.metrics) assertEquals(families.get(family)?.type, type);

  const expected = new Map<string, number | undefined>();
  for (const { name, labels, value } of captured) {
    const key = sampleKey(name, labels as [string, string][]);
    const pid = key.replace(/pid="\d+"/, 'pid="<pid>"');
    expected.set(pid, value === "<number>" ? NaN : Number(value));
  }
  for (const [key, value] of Object.entries(differences)) expected.set(key, value);
  const left = new Map(samples);
  for (const [key, value] of expected) {
    const found = [...samples].find(([one]) => one.replace(/pid="\d+"/, 'pid="<pid>"') === key);
    if (Number.isNaN(value)) assertEquals(typeof found?.[1], "number", key);
    else assertEquals(found?.[1], value, key);
    if (found !== undefined) left.delete(found[0]);
  }
  // A counter stands at zero here from the first message on: Prometheus sees no increase
  // from nothing to one.
  for (const [key, value] of left) {
    if (!key.startsWith("dramatiq_message_duration")) assertEquals(value, 0, key);
  }
}

/** Captured samples by the situation. */
export const CAPTURED = {
  /** With Prometheus first in the list of middleware. */
  running: vectors.scenario.while_running,
  /** With Prometheus last, and one message that is too old. */
  appended: vectors.scenario_appended.while_running,
};
