import {
  InlineExecutor,
  type Middleware,
  StubBroker,
  TimeLimit,
  type TimeLimitOptions,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { WireJournal } from "./wire_journal.ts";

/** A worker with a time limit, by a clock of its own. */
export interface Fixture extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly broker: StubBroker;
  readonly journal: WireJournal;
  readonly worker: Worker;
}

/** The worker; start it after declaring the actors. */
export function setFixture(
  options: TimeLimitOptions = { timeLimit: 1_000 },
  others: readonly Middleware[] = [],
): Fixture {
  const clock = new FakeClock();
  const journal = new WireJournal();
  const middleware = [journal, new TimeLimit(options), ...others];
  const broker = new StubBroker({ clock, failFast: false, middleware });
  const worker = new Worker(broker, { executor: new InlineExecutor({ concurrency: 16 }) });
  return { clock, broker, journal, worker, [Symbol.asyncDispose]: () => worker.stop() };
}

/** End of each delivery, in order. */
export function endings({ journal }: Fixture): string[] {
  return journal.events.map(({ event }) => event).filter((event) => event !== "enqueue");
}
