import { assert } from "@std/assert";
import { actor, type Broker } from "@dq/dramatiq";
import { eventually } from "../../support/servers/until.ts";
import { outcomeOf } from "./outage.ts";

/** Sends numbers to a worker, and knows which were confirmed and which ran. */
export class Traffic {
  /** How often each has run. */
  readonly ran: Map<number, number> = new Map();
  /** Those that were confirmed. */
  readonly confirmed: number[] = [];
  readonly #send: (n: number) => Promise<unknown>;
  #next = 0;

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
    while (!isOver) await this.send(3);
    await over;
    await this.send(3);
  }

  /** Waits until all that was confirmed has run. */
  async untilAllRan(): Promise<void> {
    assert(this.confirmed.length > 0, "nothing was confirmed");
    await eventually("run all that was confirmed", () => {
      return this.confirmed.every((n) => this.ran.has(n));
    });
  }
}
