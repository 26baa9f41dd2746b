import {
  actor,
  type ActorOptions,
  AgeLimit,
  Callbacks,
  type ErrorClass,
  type MessageOptions,
  Pipelines,
  Retries,
  type RetriesOptions,
  Retry,
  ShutdownNotifications,
  SkipMessage,
  StubBroker,
  TimeLimit,
  Worker,
} from "@dq/dramatiq";
import { errorMessage, errorType } from "../../platform/thrown.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { toCamelCase } from "../support/recorder.ts";
import { type WireEvent, WireJournal } from "./wire_journal.ts";

/** A case of `cases` in `vectors/retries.json`. */
export interface RetryCase {
  readonly label: string;
  readonly group: string;
  readonly retries_options?: Readonly<Record<string, unknown>>;
  readonly actor_options?: Readonly<Record<string, unknown>>;
  readonly message_options?: Readonly<Record<string, unknown>>;
  readonly actor_ran: number;
  readonly callback_actors_got?: readonly unknown[];
  readonly retry_when_calls?: readonly unknown[];
  readonly events: readonly WireEvent[];
}

/** Events here. */
export interface Replay {
  readonly events: readonly WireEvent[];
  readonly actorRan: number;
  readonly callbackActorsGot: readonly unknown[];
  readonly retryWhenCalls: readonly unknown[];
}

/** Behaviour of the actor of a case does, which the capture leaves to its label. */
export interface Behaviour {
  /** Behaviour in each run; the last one is repeated. */
  readonly runs: readonly (() => unknown)[];
  /** Decision of `retryWhen`. */
  readonly retryWhen?: (retries: number) => boolean;
}

class LookupError extends Error {}
class KeyError extends LookupError {}
class ValueError extends Error {}
class BareExc extends Error {}

const ERROR_CLASSES: Record<string, ErrorClass> = { KeyError, LookupError, ValueError };

const seven = () => 7;
const valueError = () => raise(new ValueError("nope"));
const keyError = () => raise(new KeyError("k"));
const later = (delay?: number) => () =>
  raise(new Retry("later", delay === undefined ? {} : { delay }));

const ALWAYS_FAILS: Behaviour = { runs: [valueError] };
const FAILS_ONCE: Behaviour = { runs: [valueError, seven] };
const FAILS_TWICE: Behaviour = { runs: [valueError, valueError, seven] };
const SUCCEEDS: Behaviour = { runs: [seven] };

/** Of those that are not here the actor always fails. */
const BEHAVIOURS: Record<string, Behaviour> = {
  "fail-twice-then-succeed": FAILS_TWICE,
  "max-retries-none-in-actor": {
    runs: [valueError, valueError, valueError, valueError, seven],
  },
  "max-retries-none-in-message": FAILS_TWICE,
  "retry-exception": { runs: [later(), seven] },
  "retry-exception-delay": { runs: [later(30), seven] },
  "retry-exception-delay-0": { runs: [later(0), seven] },
  "retry-exception-delay-above-max-backoff": { runs: [later(60), seven] },
  "retry-exception-delay-negative": { runs: [later(-5_000), seven] },
  "retry-exception-counts": { runs: [later(1)] },
  "throws-class": { runs: [keyError] },
  "throws-subclass": { runs: [keyError] },
  "throws-tuple": { runs: [keyError] },
  "throws-other": { runs: [keyError] },
  "throws-text-in-message": { runs: [keyError] },
  "retry-when": { runs: [valueError], retryWhen: (retries) => retries < 2 },
  "retry-when-middleware": { runs: [valueError], retryWhen: (retries) => retries < 2 },
  "retry-when-raises": { runs: [valueError], retryWhen: () => raise(new ValueError("undecided")) },
  "retries-option-float": FAILS_ONCE,
  "min-backoff-message": FAILS_ONCE,
  "min-backoff-0-message": FAILS_ONCE,
  "requeue-timestamp-and-traceback-replaced": FAILS_TWICE,
  // The nearest thing to an error outside the usual hierarchy.
  "base-exception-retried": { runs: [() => raise("not an Error"), seven] },
  "skip-message-raised-by-actor": { runs: [() => raise(new SkipMessage("enough"))] },
  "retried-message-with-kwargs-and-options": FAILS_ONCE,
  "on-success": { runs: [() => ({ r: [1, null] })] },
  "on-success-none-result": { runs: [() => undefined] },
  "on-success-actor-option": SUCCEEDS,
  "on-success-message-over-actor": SUCCEEDS,
  "on-success-after-retry": FAILS_ONCE,
  "on-failure-no-message": { runs: [() => raise(new BareExc())] },
  "on-failure-throws": { runs: [keyError] },
  "on-failure-retry-exception": { runs: [later(), seven] },
  "on-retry-exhausted-throws": { runs: [keyError] },
  "on-retry-exhausted-retry-when": { runs: [valueError], retryWhen: () => false },
  "callback-unknown-actor": SUCCEEDS,
  "on-success-result-not-encodable": { runs: [() => () => {}] },
};

function raise(error: unknown): never {
  throw error;
}

/** Does what a case describes, from sending the message until nothing is left to do. */
export async function replay(one: RetryCase): Promise<Replay> {
  const { runs, retryWhen = () => true } = BEHAVIOURS[one.label] ?? ALWAYS_FAILS;
  const clock = new FakeClock();
  const journal = new WireJournal();
  const retryWhenCalls: unknown[] = [];
  const functions = {
    retryWhen: (retries: number, error: unknown) => {
      retryWhenCalls.push([retries, errorType(error), errorMessage(error)]);
      return retryWhen(retries);
    },
  };
  const broker = new StubBroker({
    clock,
    failFast: false,
    middleware: [
      journal,
      new AgeLimit(),
      new TimeLimit(),
      new ShutdownNotifications(),
      new Callbacks(),
      new Pipelines(),
      new Retries(toOptions(one.retries_options, functions) as RetriesOptions),
    ],
  });

  const callbackActorsGot: unknown[] = [];
  for (const name of ["done", "done2", "failed", "gave_up"]) {
    const note = (...args: unknown[]) => {
      callbackActorsGot.push({ actor: name, args });
    };
    actor(note, { broker, actorName: name, queueName: "goldcb" });
  }
  let actorRan = 0;
  const acted = actor((..._args: unknown[]) => {
    actorRan += 1;
    return runs[Math.min(actorRan, runs.length) - 1]!();
  }, {
    broker,
    actorName: "acted",
    queueName: "goldq",
    ...toOptions(one.actor_options, functions) as ActorOptions,
  });

  const worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  const options = Object.fromEntries(
    Object.entries(one.message_options ?? {}).map(([name, value]) => [toCamelCase(name), value]),
  ) as MessageOptions;
  const args = one.events[0]!["args"] as unknown[];
  const message = acted.messageWithOptions({ args, ...options });
  // A second old, for the case with an age limit.
  await broker.enqueue(message.copy({ messageTimestamp: clock.now() - 1_000 }));
  await clock.waitFor(broker.join("goldq"));
  await clock.waitFor(broker.join("goldcb"));
  await worker.stop();
  return { events: journal.events, actorRan, callbackActorsGot, retryWhenCalls };
}

/** Options of the capture, which has texts in place of classes and functions. */
function toOptions(
  captured: Readonly<Record<string, unknown>> = {},
  functions: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(captured).map(([wireName, value]) => {
      const name = toCamelCase(wireName);
      if (value === "<function>") return [name, functions[name]];
      if (name !== "throws") return [name, value];
      return [name, [value].flat().map((one) => ERROR_CLASSES[one as string])];
    }),
  );
}
