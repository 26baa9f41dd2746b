import { assertEquals } from "@std/assert";
import {
  type Actor,
  actor,
  type Broker,
  type ConsumeOptions,
  type Consumer,
  type HookName,
  type MessageProxy,
  type Middleware,
  MiddlewareError,
  QueueJoinTimeout,
  Retries,
  SkipMessage,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { errorType } from "../../platform/thrown.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type RecordedEvent, Recorder, toCamelCase } from "../support/recorder.ts";
import { skip, test } from "../support/test.ts";
import vectors from "../vectors/hooks.json" with { type: "json" };

/** Outcome of a hook that raised. */
interface Observed {
  raised_to_caller?: { of: string; type: string };
  hook_called_on: string[];
  raiser_called_times: number;
  actor_ran: boolean;
  after_process_message_on_B?: RecordedEvent[];
  ack_hooks_on_A: string[];
  messages_left_unacked: Record<string, number>;
  dead_letters: number;
  worker_stop?: { ok: true } | { raised: string };
}

interface Case extends Observed {
  readonly hook: string;
  readonly raises: string;
  readonly note?: string;
  readonly threads_died?: readonly unknown[];
}

class ValueError extends Error {}

const RAISED: Record<string, () => Error> = {
  "Exception": () => new Error("no"),
  "MiddlewareError": () => new MiddlewareError("no"),
  "SkipMessage": () => new SkipMessage("no"),
};

const NO_BASE_EXCEPTION = "JavaScript has no errors apart that catch clauses let through";

const settledAgainst = "a message that no one settles would hang there for ever, so it is settled";

/** Cases in which something else is right here, why, and what. */
const DIFFERENCES: Record<string, { reason: string; ours: Partial<Observed> }> = {
  "before_ack MiddlewareError": {
    reason: settledAgainst,
    ours: { ack_hooks_on_A: ["before_ack", "after_ack"], messages_left_unacked: {} },
  },
  "before_ack SkipMessage": {
    reason: settledAgainst,
    ours: { ack_hooks_on_A: ["before_ack", "after_ack"], messages_left_unacked: {} },
  },
  "before_nack MiddlewareError": {
    reason: settledAgainst,
    ours: {
      ack_hooks_on_A: ["before_nack", "after_nack"],
      messages_left_unacked: {},
      dead_letters: 1,
    },
  },
  "before_delay_message MiddlewareError": {
    reason: "the consumer would forget the message, so it goes on",
    ours: {
      actor_ran: true,
      after_process_message_on_B: [{ result: "result" }],
      ack_hooks_on_A: ["before_ack", "after_ack", "before_ack", "after_ack"],
      messages_left_unacked: {},
    },
  },
};

/** Raises in one hook. */
class Raiser implements Middleware {
  readonly actorOptions: readonly string[] = [];
  calls = 0;

  constructor(hook: string, makeError: () => Error) {
    const raise = () => {
      this.calls += 1;
      throw makeError();
    };
    Object.assign(this, { [toCamelCase(hook) as HookName]: raise });
  }
}

/** Skips every message, for the hook that is called then. */
const skipAll: Middleware = {
  beforeProcessMessage: (_broker: Broker, _message: MessageProxy) => {
    throw new SkipMessage("not today");
  },
};

/** Counts consumers that are open. */
class CountingBroker extends StubBroker {
  openConsumers = 0;

  override consume(queueName: string, options?: ConsumeOptions): Consumer {
    const consumer = super.consume(queueName, options);
    const close = consumer.close.bind(consumer);
    this.openConsumers += 1;
    consumer.close = async () => {
      this.openConsumers -= 1;
      await close();
    };
    return consumer;
  }
}

for (const one of vectors.raising.cases as unknown as readonly Case[]) {
  const { hook, raises, note: _, threads_died: __, ...captured } = one;
  const difference = DIFFERENCES[`${hook} ${raises}`];
  const name = `Emitter deals with ${raises} in ${toCamelCase(hook)}`;
  if (raises === "BaseException") {
    skip(name, NO_BASE_EXCEPTION);
  } else if (difference === undefined) {
    test(`${name} as Python does`, async () => {
      assertEquals(await observe(hook, raises), captured);
    });
  } else {
    test(`${name} differently: ${difference.reason}`, async () => {
      assertEquals(await observe(hook, raises), { ...captured, ...difference.ours });
    });
  }
}

async function observe(hook: string, raises: string): Promise<Observed> {
  const clock = new FakeClock();
  const a = new Recorder();
  const b = new Recorder();
  const raiser = new Raiser(hook, RAISED[raises]!);
  const skipping = hook === "after_skip_message" ? [skipAll] : [];
  const middleware = [a, raiser, b, new Retries({ maxRetries: 0 }), ...skipping];
  const broker = new CountingBroker({ clock, failFast: false, middleware });
  let ran = false;
  const run = () => {
    ran = true;
    if (hook.endsWith("_nack")) throw new ValueError("nope");
    return "result";
  };
  const caller = await call(broker, run, hook === "before_delay_message" ? 50 : undefined);

  const processed = b.events.filter((event) => event["hook"] === "after_process_message")
    .map(({ hook: _, message: __, ...outcome }) => outcome);
  assertEquals(broker.openConsumers, 0, "consumers are left open");
  return {
    ...caller,
    hook_called_on: [...(calls(a, hook) > 0 ? ["A"] : []), ...(calls(b, hook) > 0 ? ["B"] : [])],
    raiser_called_times: raiser.calls,
    actor_ran: ran,
    ...(processed.length > 0 && { after_process_message_on_B: processed }),
    ack_hooks_on_A: [...settling(a, "goldq.DQ"), ...settling(a, "goldq")],
    dead_letters: broker.allDeadLetters.length,
  };
}

/** Result for the caller of the library sees. */
async function call(
  broker: StubBroker,
  run: () => unknown,
  delay: number | undefined,
): Promise<Pick<Observed, "raised_to_caller" | "worker_stop" | "messages_left_unacked">> {
  const result: Awaited<ReturnType<typeof call>> = { messages_left_unacked: {} };
  const worker = new Worker(broker, { concurrency: 1 });
  let acted: Actor;
  try {
    acted = actor(run, { broker, actorName: "acted", queueName: "goldq" });
  } catch (error) {
    return { ...result, raised_to_caller: { of: "declaring an actor", type: errorType(error) } };
  }
  try {
    await worker.start();
  } catch (error) {
    return { ...result, raised_to_caller: { of: "Worker.start()", type: errorType(error) } };
  }
  try {
    await acted.sendWithOptions(delay === undefined ? {} : { delay });
  } catch (error) {
    result.raised_to_caller = { of: "send", type: errorType(error) };
  }
  result.messages_left_unacked = await leftUnacked(broker);
  try {
    await worker.stop();
    result.worker_stop = { ok: true };
  } catch (error) {
    result.worker_stop = { raised: errorType(error) };
  }
  return result;
}

async function leftUnacked(broker: StubBroker): Promise<Record<string, number>> {
  try {
    await (broker.clock as FakeClock).waitFor(broker.join("goldq", { timeout: 10_000 }));
    return {};
  } catch (error) {
    if (!(error instanceof QueueJoinTimeout)) throw error;
    return { goldq: 1 };
  }
}

function calls(recorder: Recorder, hook: string): number {
  return recorder.events.filter((event) => event["hook"] === hook).length;
}

/** One queue's at a time: the end of a delay overlaps with the run of the message. */
function settling(recorder: Recorder, queueName: string): string[] {
  return recorder.events.filter(({ message }) =>
    (message as RecordedEvent | undefined)?.["queue_name"] === queueName
  ).map((event) => String(event["hook"])).filter((name) => /_n?ack$|^after_skip/.test(name));
}
