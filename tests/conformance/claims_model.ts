import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  actor,
  type Broker,
  type Consumer,
  DuplicateMessage,
  type MessageProxy,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { receiveOne } from "./broker_messages.ts";
import type { SuspectsHarness } from "./broker_suspects.ts";

/** One step of a history: what is done, and to which of those that it can be done to. */
const STEP = fc.record({
  what: fc.constantFrom(
    ...["send", "send", "send", "take", "take", "ack", "nack", "retry", "requeue"] as const,
    ...["replace", "replace", "replace", "start", "start", "die", "flush"] as const,
  ),
  pick: fc.nat(99),
  /** False if the worker dies before it can end the claim, or knows of none, as in Python. */
  releases: fc.boolean(),
});

type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/** A message in the hands of a worker. */
interface Held {
  readonly delivery: MessageProxy;
  /** True if its actor has started. */
  isStarted: boolean;
  /** True if its queue was flushed since. */
  readonly isGone: boolean;
}

/** A queue, and what is known of it. */
class History implements AsyncDisposable {
  readonly #harness: SuspectsHarness;
  readonly #namespace: string = `claims_${crypto.randomUUID().replaceAll("-", "")}`;
  readonly #brokers: Broker[] = [];
  readonly #queueName = "held";
  /** The living message of each key; of one that may be replaced, until it starts. */
  readonly #living: Map<string, string> = new Map();
  /** All living messages. */
  readonly #all: Set<string> = new Set();
  /** What was sent last of each message that may be replaced. */
  readonly #latest: Map<string, number> = new Map();
  #waiting = 0;
  #held: Held[] = [];
  #broker!: Broker;
  #consumer!: Consumer;

  constructor(harness: SuspectsHarness) {
    this.#harness = harness;
  }

  async open(): Promise<void> {
    this.#broker = await this.#openBroker();
    this.#consumer = this.#broker.consume(this.#queueName, { prefetch: 1_000 });
  }

  async take({ what, pick, releases }: Step): Promise<void> {
    if (what === "send") return await this.#send(`key ${pick % 3}`);
    if (what === "replace") return await this.#replace(`latest ${pick % 3}`, pick);
    if (what === "requeue") return await this.#requeue();
    if (what === "die") return await this.#die();
    if (what === "flush") return await this.#flush();
    if (what === "take") {
      return await this.#take();
    }
    if (what === "start") return await this.#start(this.#held.find((held) => !held.isStarted));
    const [held] = this.#held.splice(pick % Math.max(1, this.#held.length), 1);
    if (held !== undefined) await this.#settle(what, held, releases);
  }

  async #send(key: string): Promise<void> {
    const sent = await this.#broker.getActor("held").send(key);
    const holder = this.#living.get(key);
    assertEquals([sent.isDuplicate, sent.messageId], [
      holder !== undefined,
      holder ?? sent.messageId,
    ]);
    if (holder === undefined) this.#stored(key, sent.messageId);
  }

  async #replace(key: string, value: number): Promise<void> {
    const sent = await this.#broker.getActor("replaced").send(key, value);
    const holder = this.#living.get(key);
    assertEquals([sent.isDuplicate, sent.messageId], [
      holder !== undefined,
      holder ?? sent.messageId,
    ]);
    this.#latest.set(sent.messageId, value);
    if (holder === undefined) this.#stored(key, sent.messageId);
  }

  #stored(key: string, messageId: string): void {
    this.#living.set(key, messageId);
    this.#all.add(messageId);
    this.#waiting += 1;
  }

  /** It runs with what was sent last, also when it is delivered again. */
  async #start(held: Held | undefined): Promise<void> {
    if (held === undefined) return;
    held.isStarted = true;
    if (held.isGone) return;
    const { delivery } = held;
    const { messageId } = delivery;
    await this.#broker.emit("beforeProcessMessage", delivery);
    assertEquals(delivery.messageId, messageId);
    if (delivery.actorName !== "replaced") return;
    assertEquals(delivery.args[1], this.#latest.get(messageId));
    this.#ended(delivery);
  }

  #ended({ args, messageId }: MessageProxy): void {
    const key = String(args[0]);
    if (this.#living.get(key) === messageId) this.#living.delete(key);
  }

  /** The consumer may have fetched what was flushed since. */
  async #take(): Promise<void> {
    for (let isGone = true; isGone && this.#waiting > 0;) {
      const delivery = await receiveOne(this.#consumer);
      isGone = !this.#all.has(delivery.messageId);
      this.#held.push({ delivery, isStarted: false, isGone });
      if (!isGone) this.#waiting -= 1;
    }
  }

  async #settle(
    verb: "ack" | "nack" | "retry",
    { delivery, isStarted, isGone }: Held,
    releases: boolean,
  ): Promise<void> {
    // One that has not started is not retried.
    const isRetried = verb === "retry" && !isGone &&
      (isStarted || delivery.actorName !== "replaced");
    if (isRetried) {
      await this.#broker.enqueue(delivery.message, { cause: delivery.message });
      delivery.markRetried();
      this.#waiting += 1;
    } else if (!isGone) {
      this.#ended(delivery);
      this.#all.delete(delivery.messageId);
    }
    if (verb === "nack") {
      delivery.fail();
      await this.#consumer.nack(delivery);
      if (releases) await this.#broker.emit("afterNack", delivery);
    } else {
      await this.#consumer.ack(delivery);
      if (releases) await this.#broker.emit("afterAck", delivery);
    }
  }

  async #requeue(): Promise<void> {
    for await (const dead of this.#broker.deadLetters(this.#queueName)) {
      const key = String(dead.message.args[0]);
      const holder = this.#living.get(key);
      const requeued = await dead.requeue().catch((error) => {
        if (error instanceof DuplicateMessage) return error.holder;
        throw error;
      });
      assertEquals(requeued, holder ?? true);
      if (holder === undefined) this.#stored(key, dead.message.messageId);
    }
  }

  /** Its unacknowledged messages are available again. */
  async #die(): Promise<void> {
    const other = await this.#openBroker();
    if (this.#held.some(({ isGone }) => !isGone)) await this.#harness.die(this.#broker, other);
    else await this.#consumer.close();
    this.#waiting += this.#held.filter(({ isGone }) => !isGone).length;
    this.#held = [];
    this.#broker = other;
    this.#consumer = other.consume(this.#queueName, { prefetch: 1_000 });
  }

  async #flush(): Promise<void> {
    await this.#broker.flush(this.#queueName);
    this.#living.clear();
    this.#all.clear();
    this.#waiting = 0;
    this.#held = this.#held.map((held) => ({ ...held, isGone: true }));
  }

  async #openBroker(): Promise<Broker> {
    const broker = await this.#harness.open(this.#namespace);
    this.#brokers.push(broker);
    actor((_key: string) => {}, {
      broker,
      actorName: "held",
      queueName: this.#queueName,
      unique: { by: (key: string) => key },
      timeLimit: Infinity,
    });
    actor((_key: string, _value: number) => {}, {
      broker,
      actorName: "replaced",
      queueName: this.#queueName,
      unique: { by: (key: string) => key, onDuplicate: "replace" },
      timeLimit: Infinity,
    });
    return broker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.#brokers) await broker.close();
  }
}

/**
 * Declares a test of random histories: at most one message of a key lives at a time, and what is sent
 * while none lives is stored.
 *
 * @param harness The broker, and how its workers die.
 * @param runs How many histories.
 */
export function claimsModel(harness: SuspectsHarness, runs: number): void {
  test(`${harness.name}: one message of a key lives at a time, whatever happens to it`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { maxLength: 40, size: "max" }), async (steps) => {
        await using history = new History(harness);
        await history.open();
        for (const step of steps) await history.take(step);
      }),
      { numRuns: runs },
    );
  });
}
