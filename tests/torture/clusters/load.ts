import { setTimeout as delay } from "node:timers/promises";
import {
  type Actor,
  actor,
  ConcurrentRateLimiter,
  type Message,
  type RateLimiterBackend,
  Results,
  type Slot,
  Worker,
} from "@dq/dramatiq";
import { eventually } from "../../support/servers/until.ts";
import type { Clients } from "./engine.ts";
import { Operations } from "./operations.ts";

/** Milliseconds between two messages. */
const INTERVAL = 10;
/** Messages per message whose result is waited for. */
const MESSAGES_PER_RESULT = 10;
/** Messages per message that is delayed, and by how many milliseconds at least. */
const MESSAGES_PER_DELAY = 25;
const DELAY = 5_500;
const DELAYED_FIRST = 2;
/** Messages per message that fails once. */
const MESSAGES_PER_RETRY = 20;
/** Number of tasks that use a limiter, and how many of them may at the same time. */
const USERS = 4;
const LIMIT = 2;
/** Milliseconds after which a slot is free that is neither released nor renewed. */
const SLOT_TTL = 10_000;
/** Milliseconds in which the result of a message is there; servers may forget some. */
const LONGEST_RESULT = 40_000;
/** Milliseconds in which everything has run once the servers are well: also what was lent out. */
const LONGEST_REST = 60_000;

/** Load during a trial: messages are sent and run, results waited for, slots used. */
export class Load {
  /** The operation and its outcome. */
  readonly operations: Operations = new Operations();
  readonly #clients: Clients;
  readonly #queueName: string;
  readonly #id: string;
  readonly #worker: Worker;
  readonly #note: Actor<[number], number>;
  /** Number of times each message ran to its end. */
  readonly #runs: Map<number, number> = new Map();
  readonly #confirmed: Set<number> = new Set();
  readonly #failedOnce: Set<number> = new Set();
  readonly #loops: Promise<void>[] = [];
  #holders = 0;
  #mostHolders = 0;
  #next = 0;
  #isEnding = false;

  /**
   * Declares the actor.
   *
   * @param clients What to use.
   * @param id What tells the trial from others.
   */
  constructor(clients: Clients, id: string) {
    this.#clients = clients;
    this.#id = id;
    this.#queueName = `trial_${id}`;
    const { sender, worker, results } = clients;
    for (const broker of new Set([sender, worker])) {
      if (results !== undefined) broker.addMiddleware(new Results({ backend: results }));
    }
    this.#note = this.#declare(sender);
    if (worker !== sender) this.#declare(worker);
    this.#worker = new Worker(worker, { concurrency: 8 });
  }

  /** Number of messages that were confirmed. */
  get confirmed(): number {
    return this.#confirmed.size;
  }

  /** The most that held one of the slots at the same time, beyond how many there are. */
  get tooManyHolders(): number {
    return Math.max(0, this.#mostHolders - LIMIT);
  }

  /** Number of confirmed messages that never ran. */
  get lost(): number {
    return [...this.#confirmed].filter((n) => !this.#runs.has(n)).length;
  }

  /** Number of messages that ran more than once. */
  get twice(): number {
    return [...this.#runs.values()].filter((count) => count > 1).length;
  }

  /** Begins, and resolves when messages run. */
  async start(): Promise<void> {
    await this.#worker.start();
    this.#loops.push(this.#send());
    if (this.#clients.limits !== undefined) {
      for (let user = 0; user < USERS; user++) this.#loops.push(this.#useSlots());
    }
    await eventually("run messages", () => {
      const isDelayedRun = !this.#clients.hasDelayQueues || this.#runs.has(DELAYED_FIRST);
      return isDelayedRun && this.#runs.size > 20;
    });
  }

  /** Resolves when a message has run that was sent after this was called. */
  async untilRunning(): Promise<void> {
    const first = this.#next;
    await eventually("run a message", () => this.#hasRunSince(first));
  }

  /** Sends no more, and resolves when all that was under way has ended. */
  async settle(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#loops);
    const isOver = () => this.lost === 0;
    const hasEnded = eventually("run all that was confirmed", isOver).catch(() => {});
    // When messages are lost, the empty queue says that nothing more will come.
    const isEmpty = this.#clients.worker.join(this.#queueName, { timeout: LONGEST_REST });
    await Promise.race([hasEnded, isEmpty.catch(() => hasEnded)]);
    await this.operations.settled();
  }

  /** Resolves when all slots are free, those whose release or answer was lost, too. */
  async untilAllSlots(): Promise<void> {
    const { limits } = this.#clients;
    if (limits === undefined) return;
    const limiter = this.#limiter(limits);
    await eventually("have all slots back", async () => {
      const slots: Slot[] = [];
      for (let i = 0; i < LIMIT; i++) slots.push(await limiter.acquire({ raiseOnFailure: false }));
      for (const slot of slots) await slot.release();
      return slots.every(({ acquired }) => acquired);
    });
  }

  /** Stops the worker. */
  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#worker.stop(5_000);
  }

  #limiter(limits: RateLimiterBackend): ConcurrentRateLimiter {
    const { limitKey = `slots-${this.#id}` } = this.#clients;
    return new ConcurrentRateLimiter(limits, limitKey, {
      limit: LIMIT,
      ttl: SLOT_TTL,
      leases: true,
    });
  }

  #declare(broker: Clients["sender"]): Actor<[number], number> {
    const run = async (n: number) => {
      await delay(2);
      if (n % MESSAGES_PER_RETRY === 0 && !this.#failedOnce.has(n)) {
        this.#failedOnce.add(n);
        throw new Error("it fails once, as it should");
      }
      this.#runs.set(n, (this.#runs.get(n) ?? 0) + 1);
      return n;
    };
    const storing = this.#clients.results === undefined ? {} : { storeResults: true };
    return actor(run, {
      broker,
      queueName: this.#queueName,
      actorName: `note_${this.#id}`,
      minBackoff: 100,
      ...storing,
    });
  }

  #hasRunSince(first: number): boolean {
    for (let n = first; n < this.#next; n++) if (this.#runs.has(n)) return true;
    return false;
  }

  async #send(): Promise<void> {
    while (!this.#isEnding) {
      const n = this.#next++;
      // Not awaited: others go on while this one waits for a server.
      this.operations.run("send", this.#sendOne(n), this.#clients.longestSend).then((message) => {
        if (message === undefined) return;
        this.#confirmed.add(n);
        if (n % MESSAGES_PER_RESULT === 1) this.#awaitResult(message);
      });
      await delay(INTERVAL);
    }
  }

  #sendOne(n: number): Promise<Message> {
    if (n % MESSAGES_PER_DELAY !== DELAYED_FIRST) return this.#note.send(n);
    return this.#note.sendWithOptions({ args: [n], delay: DELAY + n % 1_000 });
  }

  #awaitResult(message: Message): void {
    const { results } = this.#clients;
    if (results === undefined) return;
    const result = results.getResult(message, { block: true, timeout: LONGEST_RESULT });
    this.operations.run("get a result", result, 2 * LONGEST_REST);
  }

  async #useSlots(): Promise<void> {
    const mutex = this.#limiter(this.#clients.limits!);
    while (!this.#isEnding) {
      const slot = await this.operations.run("acquire", mutex.acquire({ raiseOnFailure: false }));
      if (slot?.acquired) {
        this.#holders++;
        this.#mostHolders = Math.max(this.#mostHolders, this.#holders);
        await delay(INTERVAL);
        this.#holders--;
        await this.operations.run("release", slot.release());
      }
      await delay(INTERVAL);
    }
  }
}
