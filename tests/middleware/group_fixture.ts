import {
  actor,
  defaultMiddleware,
  group,
  GroupCallbacks,
  type MessageOptions,
  type Middleware,
  SkipMessage,
  StubBroker,
  StubRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";
import type { CompletionCallbackOptions, GroupStep } from "@dq/dramatiq/core";
import type { LogRecord } from "@logtape/logtape";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf } from "../support/log.ts";
import type { GroupActors } from "./group_cases.ts";
import { type WireEvent, WireJournal } from "./wire_journal.ts";

/** No retry helps. */
class Hopeless extends Error {}

/** Groups with `GroupCallbacks`: what their members and callbacks do, and got. */
export class GroupFixture implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly journal: WireJournal = new WireJournal();
  readonly got: [name: string, args: readonly unknown[]][] = [];
  /** Behaviour of an actor when it runs, before it returns its arguments. */
  readonly acts: Record<string, (runs: number) => void> = {};
  /** Gate of an actor when it runs. */
  readonly waits: Record<string, (runs: number) => Promise<void> | undefined> = {};
  readonly backend: StubRateLimiterBackend;
  readonly broker: StubBroker;
  readonly actors: GroupActors;

  /**
   * @param backend What counts the members; one in memory by default.
   * @param middleware What stands before the default middleware.
   */
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
        const run = runs++;
        this.acts[actorName]?.(run);
        return this.waits[actorName]?.(run)?.then(() => args) ?? args;
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

  /** Number of times an actor ran. */
  runsOf(name: string): number {
    return this.got.filter(([one]) => one === name).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close();
    await this.broker.close();
  }
}

/** Behaviour of an actor that fails, and is retried. */
export function fail(): never {
  throw new Error("nope");
}

/** Behaviour of an actor that fails, and is not retried. */
export function failForGood(): never {
  throw new Hopeless("nope");
}

/** Behaviour of an actor that skips its message. */
export function skip(): never {
  throw new SkipMessage("nothing to do");
}

/** All that `GroupCallbacks` log meanwhile. */
export function groupLinesOf(run: () => Promise<void>): Promise<readonly LogRecord[]> {
  return linesOf({
    category: ["dramatiq", "middleware", "GroupCallbacks"],
    lowestLevel: "trace",
  }, run);
}
