import { assertEquals, assertRejects } from "@std/assert";
import { actor, type DeadLetter, type Message, StubBroker, Worker } from "@dq/dramatiq";
import { test } from "../../support/test.ts";

/** A broker that can refuse to store anything. */
class RefusingBroker extends StubBroker {
  refuses = false;

  protected override store(messages: readonly Message[]): void {
    if (this.refuses) throw new TypeError("It is full");
    super.store(messages);
  }
}

/** A broker with one dead letter, and how often its hooks were told that it is sent again. */
async function withDeadLetter() {
  const sent = { before: 0, after: 0 };
  const broker = new RefusingBroker({ failFast: false });
  const broken = actor(() => Promise.reject(new Error("broken")), {
    broker,
    actorName: "broken",
    maxRetries: 0,
  });
  await broken.send();
  {
    await using worker = new Worker(broker);
    await worker.start();
    await broker.join("default");
  }
  broker.addMiddleware({
    beforeEnqueue: () => void sent.before++,
    afterEnqueue: () => void sent.after++,
  });
  const find = async (): Promise<DeadLetter> => {
    for await (const dead of broker.deadLetters("default")) return dead;
    throw new Error("there is none");
  };
  return { broker, sent, find };
}

async function countOf(broker: StubBroker): Promise<number> {
  await using consumer = broker.consume("default", { prefetch: 10 });
  const stop = AbortSignal.timeout(20);
  let count = 0;
  while (true) {
    const messages = await consumer.receive(10, { signal: stop });
    if (messages.length === 0) return count;
    count += messages.length;
  }
}

test("DeadLetter.requeue sends one message, however often it is called at a time", async () => {
  const { broker, sent, find } = await withDeadLetter();
  const dead = await find();
  assertEquals(await Promise.all([dead.requeue(), dead.requeue(), dead.drop()]), [
    true,
    false,
    false,
  ]);
  assertEquals([sent, await countOf(broker)], [{ before: 1, after: 1 }, 1]);
});

test("DeadLetter.requeue sends nothing that another has taken meanwhile", async () => {
  const { broker, sent, find } = await withDeadLetter();
  const [one, other] = [await find(), await find()];
  assertEquals([await one.requeue(), await other.requeue()], [true, false]);
  assertEquals([sent.after, await countOf(broker)], [1, 1]);
});

test("DeadLetter.requeue leaves a dead letter where it is that cannot be sent", async () => {
  const { broker, sent, find } = await withDeadLetter();
  const dead = await find();
  broker.refuses = true;
  await assertRejects(() => dead.requeue(), TypeError, "It is full");
  assertEquals([broker.allDeadLetters.length, sent.after], [1, 0]);
  broker.refuses = false;
  assertEquals(await dead.requeue(), true); // the same one can be tried again
  assertEquals([broker.allDeadLetters.length, await countOf(broker)], [0, 1]);
});
