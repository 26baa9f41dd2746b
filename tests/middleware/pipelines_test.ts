import { assert, assertEquals } from "@std/assert";
import {
  type Actor,
  actor,
  type ActorOptions,
  Callbacks,
  Message,
  type MessageOptions,
  type MessageProxy,
  type Middleware,
  pipeline,
  Pipelines,
  Retries,
  StubBroker,
  Worker,
} from "@dq/dramatiq";

import type { PipelineStep } from "@dq/dramatiq/core";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";
import vectors from "../vectors/retries.json" with { type: "json" };
import { Placeholders } from "./placeholders.ts";
import { assertSameEvents, toShown, type WireEvent, WireJournal } from "./wire_journal.ts";

/** An entry of `pipelines` in the capture. */
interface PipelineCase {
  readonly label: string;
  readonly run_arguments?: { readonly delay: number };
  readonly actors_got_args: readonly unknown[];
  readonly events: readonly WireEvent[];
}

/** One message of a pipeline: the actor, its arguments, and options of the message. */
type Part = readonly ["one" | "two" | "three", readonly unknown[], MessageOptions?];

/** Setup of a case, which the capture leaves to its label. */
interface Setup {
  /** The messages; those in an array within are a pipeline within. */
  readonly parts: readonly (Part | readonly Part[])[];
  readonly actorOptions?: Readonly<Record<string, ActorOptions>>;
  /** Behaviour of the first actor instead of giving back its arguments. */
  readonly runs?: readonly (() => unknown)[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly middleware?: readonly Middleware[];
}

const fail = () => {
  throw new Error("nope");
};

const ONE: Part = ["one", [1]];
const TWO: Part = ["two", [2]];
const THREE: Part = ["three", [3]];

const marksAsFailed: Middleware = {
  afterProcessMessage: (_broker: unknown, message: MessageProxy) => message.fail(),
};

const SETUPS: Record<string, Setup> = {
  "three": { parts: [ONE, TWO, THREE] },
  "none-result": { parts: [ONE, ["two", []]], runs: [() => undefined] },
  "pipe-ignore-on-target": { parts: [ONE, ["two", [2], { pipeIgnore: true }], THREE] },
  "pipe-ignore-on-source-actor": {
    parts: [ONE, TWO],
    actorOptions: { one: { pipeIgnore: true } },
  },
  "pipe-ignore-on-target-actor": {
    parts: [ONE, TWO],
    actorOptions: { two: { pipeIgnore: true } },
  },
  "pipe-ignore-on-source-message": { parts: [["one", [1], { pipeIgnore: true }], TWO] },
  "target-delay": { parts: [ONE, ["two", [2], { delay: 30 }]] },
  "run-delay": { parts: [ONE, TWO] },
  "run-delay-and-first-delay": { parts: [["one", [1], { delay: 60 }], TWO] },
  "run-delay-0": { parts: [ONE, TWO] },
  "retry-inside": { parts: [ONE, TWO], runs: [fail, () => "second try"] },
  "failure-stops": {
    parts: [ONE, TWO],
    runs: [fail],
    actorOptions: { one: { maxRetries: 0 } },
  },
  "failed-mark-stops": { parts: [ONE, TWO], middleware: [marksAsFailed] },
  "nested": { parts: [[ONE, TWO], THREE] },
  "kwargs": { parts: [ONE, ["two", []]], kwargs: { x: 1 } },
  "unknown-target": { parts: [ONE] },
};

/** Cases in which something else is right here, why, and what. */
const DIFFERENCES: Record<string, { reason: string; ours: (one: PipelineCase) => PipelineCase }> = {
  "kwargs": {
    reason: "keyword arguments come as one object, last",
    ours: (one) => ({ ...one, actors_got_args: [["one", [1]], ["two", [[1], { x: 1 }]]] }),
  },
  "unknown-target": {
    reason: "Python acknowledges, and so loses, a message whose follow-up cannot be stored",
    ours: (one) => ({
      ...one,
      events: [one.events[0]!, { ...one.events[1]!, event: "nack" }],
    }),
  },
};

for (const captured of vectors.pipelines as unknown as readonly PipelineCase[]) {
  const difference = DIFFERENCES[captured.label];
  const note = difference === undefined ? "as in Python" : `differently: ${difference.reason}`;

  // Reference: Pipelines
  test(`Pipelines runs case "${captured.label}" ${note}`, async () => {
    const setup = SETUPS[captured.label];
    assert(setup !== undefined, "the case is not set up");
    const expected = difference?.ours(captured) ?? captured;
    const { journal, got } = await run(setup, expected);
    assertEquals(got, expected.actors_got_args);
    assertSameEvents(journal.events.map(toShown), expected.events, new Placeholders());
  });
}

async function run(
  setup: Setup,
  one: PipelineCase,
): Promise<{ journal: WireJournal; got: unknown[] }> {
  const clock = new FakeClock();
  const journal = new WireJournal();
  const got: unknown[] = [];
  const middleware = [
    journal,
    new Callbacks(),
    new Pipelines(),
    new Retries(),
    ...setup.middleware ?? [],
  ];
  const broker = new StubBroker({ clock, failFast: false, middleware });
  const runs = [...setup.runs ?? []];
  const actors = new Map<string, Actor>();
  for (const name of ["one", "two", "three"]) {
    const fn = (...args: unknown[]) => {
      got.push([name, args]);
      const special = name === "one" ? runs.shift() : undefined;
      return special === undefined ? args : special();
    };
    const options = setup.actorOptions?.[name] ?? {};
    actors.set(name, actor(fn, { broker, actorName: name, queueName: `q_${name}`, ...options }));
  }

  const toMessage = ([name, args, options]: Part) =>
    actors.get(name)!.messageWithOptions({
      args: [...args],
      ...options,
      ...(name === "two" && setup.kwargs !== undefined && { kwargs: setup.kwargs }),
    });
  const steps: PipelineStep[] = setup.parts.map((part) =>
    isPart(part) ? toMessage(part) : pipeline(part.map(toMessage), { broker })
  );
  if (one.label === "unknown-target") {
    steps.push(new Message({ queueName: "q_nobody", actorName: "nobody", args: [] }));
  }

  await using worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await pipeline(steps, { broker }).run(one.run_arguments);
  for (const queueName of ["q_one", "q_two", "q_three"]) {
    await clock.waitFor(broker.join(queueName));
  }
  return { journal, got };
}

function isPart(part: Part | readonly Part[]): part is Part {
  return typeof part[0] === "string";
}
