import { assert } from "@std/assert";
import { actor, type Broker } from "@dq/dramatiq";
import { eventually } from "../../support/servers/until.ts";
import { outcomeOf } from "./outage.ts";

/** Messages that a worker of the default concurrency has in flight, at most. */
const IN_FLIGHT = 16;
/** Messages that are sent at a time while something else goes on. */
const FEW = 3;

/** Sends numbers to a worker, and knows which were confirmed and how often each ran. */
export class Traffic {
  /** Number of times each has run. */
  readonly ran: Map<number, number> = new Map();
  /** Messages that were confirmed. */
  readonly confirmed: number[] = [];
  readonly #send: (n: number) => Promise<unknown>;
  /** Messages that were sent while something else went on: their confirms may have been lost. */
  readonly #sentDuring: Set<number> = new Set();
  #next = 0;
  /** The most that were sent in one turn. */
  #largest = FEW;

  /**
   * @param queueName Where they go.
   * @param producer Sends them.
   * @param consumer Runs them, by a worker.
   */
  constructor(queueName: string, producer: Broker, consumer: Broker = producer) {
    const run = (n: number) => void this.ran.set(n, (this.ran.get(n) ?? 0) + 1);
    const options = { queueName, actorName: "note" };
    const note = actor(run, { ...options, broker: producer });
    if (consumer !== producer) actor(run, { ...options, broker: consumer });
    this.#send = (n) => note.send(n);
  }

  /** Sends a few in one turn. What is refused must be refused because of an outage. */
  async send(count: number): Promise<void> {
    this.#largest = Math.max(this.#largest, count);
    const sent = Array.from({ length: count }, () => this.#next++);
    await Promise.all(sent.map(async (n) => {
      if (await outcomeOf(this.#send(n)) === undefined) this.confirmed.push(n);
    }));
  }

  /** Sends until something is over, and then some more. */
  async sendDuring(task: Promise<unknown>): Promise<void> {
    let isOver = false;
    const over = task.finally(() => isOver = true);
    over.catch(() => {});
    const first = this.#next;
    while (!isOver) await this.send(FEW);
    for (let n = first; n < this.#next; n++) this.#sentDuring.add(n);
    await over;
    await this.send(FEW);
  }

  /**
   * Waits until all that was confirmed has run.
   *
   * @param outages How many there were so far, see `assertRuns`.
   */
  async untilAllRan(outages = 0): Promise<void> {
    assert(this.confirmed.length > 0, "nothing was confirmed");
    await eventually("run all that was confirmed", () => {
      return this.confirmed.every((n) => this.ran.has(n));
    });
    this.assertRuns(outages);
  }

  /**
   * Makes sure that no more ran again than outages are the cause of: each may cost another run
   * of what was being run or acknowledged when it began, and one of what was being sent, which may
   * have been stored twice. Without one, each ran once.
   *
   * @param outages How many there were so far.
   */
  assertRuns(outages: number): void {
    const again = Array.from(this.ran, ([n, runs]) => [n, runs - 1] as const)
      .filter(([, runs]) => runs > 0);
    for (const [n, runs] of again) {
      const most = this.#sentDuring.has(n) ? 2 * outages : outages;
      assert(runs <= most, `Message ${n} ran ${runs + 1} times in ${outages} outages`);
    }
    const total = again.reduce((sum, [, runs]) => sum + runs, 0);
    const inDoubt = outages * (IN_FLIGHT + FEW + this.#largest);
    assert(total <= inDoubt, `${total} runs too many, of ${again}, in ${outages} outages`);
  }
}
