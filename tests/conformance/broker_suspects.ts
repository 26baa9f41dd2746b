/**
 * The rules of messages that a dead worker had in flight, for brokers of every kind.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { actor, type Broker, type Consumer, type MessageProxy, Worker } from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import { receiveCount, sendAll, work } from "./broker_messages.ts";
import { declareTests, type Harness, type RulesOf } from "./rules.ts";

/** Needs of the suite: how a worker of a broker dies. */
export interface SuspectsHarness extends Harness {
  /** Makes a broker, which the suite closes. Those of one namespace share their queues. */
  open(namespace: string): Broker | Promise<Broker>;
  /** True if brokers of one namespace share nothing: there is one, and it outlives its workers. */
  readonly sharesNothing?: boolean;
  /**
   * Lets the consumers of a broker die without a word. Resolves when what they had is back.
   *
   * @param broker The broker whose worker dies.
   * @param other One of a worker that lives.
   */
  die(broker: Broker, other: Broker): Promise<void>;
  /** Counts what the storage holds of a queue and its suspects, dead letters excluded. */
  countLeft?(broker: Broker, queueName: string): Promise<number>;
}

/** Rules by the key under which a harness can skip them. */
type Rules = RulesOf<Fixture, "countLeft">;

/** Fixture of one check. */
class Fixture implements AsyncDisposable {
  readonly harness: SuspectsHarness;
  readonly namespace: string = `suspects_${crypto.randomUUID().replaceAll("-", "")}`;
  readonly queueName: string = `q_${crypto.randomUUID()}`;
  readonly #brokers: Broker[] = [];
  readonly #disposables: AsyncDisposable[] = [];

  constructor(harness: SuspectsHarness) {
    this.harness = harness;
  }

  async open(): Promise<Broker> {
    if (this.harness.sharesNothing && this.#brokers.length > 0) return this.#brokers[0]!;
    const broker = await this.harness.open(this.namespace);
    broker.declareQueue(this.queueName);
    this.#brokers.push(broker);
    return broker;
  }

  /** Opens a broker, and receives messages with it, in the order of their arguments. */
  async receive(count: number): Promise<[Broker, Consumer, MessageProxy[]]> {
    const broker = await this.open();
    const consumer = broker.consume(this.queueName, { prefetch: count });
    const received = await receiveCount(consumer, count);
    return [broker, consumer, received.toSorted((a, b) => Number(a.args[0]) - Number(b.args[0]))];
  }

  async die(broker: Broker): Promise<void> {
    await this.harness.die(broker, await this.open());
  }

  /** Has a worker receive messages and die. */
  async loseOnce(count: number): Promise<void> {
    const [broker] = await this.receive(count);
    await this.die(broker);
  }

  use(resource: AsyncDisposable): void {
    this.#disposables.push(resource);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#disposables.reverse()) await one[Symbol.asyncDispose]();
    for (const broker of this.#brokers) await broker.close();
  }
}

const deathsOf = (messages: readonly MessageProxy[]) =>
  messages.map(({ suspicion }) => suspicion?.deaths);

/** Begins as a worker does: what is found to be blamed it begins again. */
async function beginAll(consumer: Consumer, messages: readonly MessageProxy[]): Promise<void> {
  for (const message of messages) {
    const known = message.suspicion?.deaths;
    assertEquals(await consumer.begin(message), [message]);
    if (message.suspicion?.deaths !== known) await consumer.begin(message);
  }
}

const rules: Rules = {
  suspectHeld: {
    rule: "Consumer gives what a dead worker had in flight as suspects, and blames none",
    async check(fixture) {
      const sender = await fixture.open();
      await sendAll(sender, fixture.queueName, [0, 1]);
      await fixture.loseOnce(2);
      await sendAll(sender, fixture.queueName, [2]);
      const [, consumer, received] = await fixture.receive(3);
      await beginAll(consumer, received);
      assertEquals(deathsOf(received), [0, 0, undefined]);
      await consumer.ack(received);
      await consumer.close();
    },
  },

  suspectBegun: {
    rule: "Consumer.begin has each death of a worker counted for what it had begun, and noted",
    async check(fixture) {
      await sendAll(await fixture.open(), fixture.queueName, [0, 1]);
      await fixture.loseOnce(2);
      for (const deaths of [0, 1, 2]) {
        const [broker, consumer, received] = await fixture.receive(2);
        const [begun, other] = received as [MessageProxy, MessageProxy];
        await beginAll(consumer, [begun]);
        assertEquals(begun.suspicion?.deaths, deaths);
        assertEquals(begun.suspicion?.notes.split(";").filter(Boolean).length, deaths);
        assertEquals(other.suspicion?.deaths, 0);
        await fixture.die(broker);
      }
    },
  },

  suspectNotOwn: {
    rule: "Consumer.begin gives nothing that is with another consumer by now",
    async check(fixture) {
      await sendAll(await fixture.open(), fixture.queueName, [0]);
      await fixture.loseOnce(1);
      const [broker, lost, [message]] = await fixture.receive(1);
      await fixture.die(broker);
      assertEquals(await lost.begin(message!), []);
      const [, consumer, received] = await fixture.receive(1);
      await beginAll(consumer, received);
      assertEquals(deathsOf(received), [0]);
    },
  },

  suspectRequeued: {
    rule: "Consumer.requeue and close end the mark: a death after them is not counted",
    async check(fixture) {
      await sendAll(await fixture.open(), fixture.queueName, [0, 1]);
      await fixture.loseOnce(2);
      const [, consumer, received] = await fixture.receive(2);
      await beginAll(consumer, received);
      await consumer.requeue(received[0]!);
      await consumer.close();
      await fixture.loseOnce(2);
      const [, last, again] = await fixture.receive(2);
      await beginAll(last, again);
      assertEquals(deathsOf(again), [0, 0]);
    },
  },

  suspectAgain: {
    rule: "Consumer.requeue ends the mark, also for the worker that gets the message again itself",
    async check(fixture) {
      await sendAll(await fixture.open(), fixture.queueName, [0]);
      await fixture.loseOnce(1);
      const [broker, consumer, received] = await fixture.receive(1);
      await beginAll(consumer, received);
      await consumer.requeue(received[0]!);
      await receiveCount(consumer, 1); // and does not begin it
      await fixture.die(broker);
      const [, last, again] = await fixture.receive(1);
      await beginAll(last, again);
      assertEquals(deathsOf(again), [0]);
    },
  },

  suspectSettled: {
    rule: "Consumer.ack and nack forget what is known of a suspect",
    needs: "countLeft",
    async check(fixture) {
      const sender = await fixture.open();
      await sendAll(sender, fixture.queueName, [0, 1]);
      await fixture.loseOnce(2);
      const [broker, consumer, received] = await fixture.receive(2);
      await beginAll(consumer, received);
      await consumer.ack(received[0]!);
      await consumer.nack(received[1]!);
      assertEquals(await fixture.harness.countLeft!(sender, fixture.queueName), 0);
      await consumer.close();
      for await (const dead of broker.deadLetters(fixture.queueName)) await dead.requeue();
      const [, last, [revived]] = await fixture.receive(1);
      assertEquals([revived!.suspicion?.deaths ?? 0, revived!.option("deaths")], [0, undefined]);
      await last.ack(revived!);
      await last.close();
    },
  },

  suspectPoison: {
    rule: "Worker dead-letters a message with a PoisonMessage once it had three workers die",
    async check(fixture) {
      const { queueName } = fixture;
      const { sharesNothing = false } = fixture.harness;
      const runs = new Runs();
      fixture.use(runs);
      for (let deaths = 0; deaths < 5; deaths++) {
        const broker = await fixture.open();
        const isNew = !broker.actors.has("work");
        if (isNew) actor(() => runs.add(), { broker, queueName, actorName: "work" });
        const worker = new Worker(broker);
        if (isNew) fixture.use({ [Symbol.asyncDispose]: () => worker.stop(0) });
        if (isNew) await worker.start();
        if (deaths === 0) await broker.enqueue(work(queueName));
        if (deaths === 4) break;
        await runs.begun();
        if (!sharesNothing) worker.pause(); // in this process it lives on
        await fixture.die(broker);
        if (sharesNothing) runs.end();
      }
      const tracebacks: (string | undefined)[] = [];
      await eventually("dead-letter the message", async () => {
        for await (const dead of (await fixture.open()).deadLetters(queueName)) {
          tracebacks.push(dead.traceback);
        }
        return tracebacks.length > 0;
      });
      assertMatch(tracebacks[0] ?? "", /PoisonMessage: 3 workers died while it ran: .+; .+; ./);
      assertEquals(runs.count, 4);
    },
  },
};

/** The runs of an actor, each of which lasts until the test ends it. */
class Runs implements AsyncDisposable {
  count = 0;
  #begun: PromiseWithResolvers<void> = Promise.withResolvers();
  #ended: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Begins one. */
  add(): Promise<void> {
    this.count += 1;
    this.#begun.resolve();
    return this.#ended.promise;
  }

  /** Waits for the next one to begin. */
  async begun(): Promise<void> {
    await this.#begun.promise;
    this.#begun = Promise.withResolvers();
  }

  /** Ends those that go on. */
  end(): void {
    this.#ended.resolve();
    this.#ended = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    await Promise.resolve();
  }
}

/**
 * Declares the tests of all rules for one broker.
 *
 * @param harness The broker, and how its workers die.
 */
export function brokerSuspectsConformance(harness: SuspectsHarness): void {
  declareTests(harness, rules, () => new Fixture(harness));
}
