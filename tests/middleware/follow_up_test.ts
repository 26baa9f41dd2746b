import { assertEquals, assertRejects } from "@std/assert";
import {
  ConnectionClosed,
  FollowUpNotStored,
  Message,
  MessageProxy,
  StubBroker,
} from "@dq/dramatiq";
import { WorkerLost } from "../../core/interrupt.ts";
import { storeFollowUp } from "../../middleware/follow_up.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A broker whose server counts how often it delivers a message. */
class CountingBroker extends StubBroker {
  override readonly countsDeliveries = true;
}

/** A delivery whose consumer can lose it. */
class Delivery extends MessageProxy {
  #isLost = false;
  override get isLost(): boolean {
    return this.#isLost;
  }
  lose(): void {
    this.#isLost = true;
  }
}

function delivery(): Delivery {
  return new Delivery(new Message({ queueName: "default", actorName: "a", args: [] }));
}

/**
 * Stores something that fails so many times, and tells when it was tried.
 *
 * @param failures How often.
 * @param error How it fails.
 * @param options The class of the broker, and what happens at the seventh attempt.
 */
async function tries(
  failures: number,
  error: Error,
  { Broker = StubBroker, seventh = () => {} }: {
    Broker?: typeof StubBroker;
    seventh?: (delivery: Delivery) => void;
  } = {},
): Promise<{ at: number[]; end: unknown }> {
  const message = delivery();
  const clock = new FakeClock();
  const start = clock.now();
  const at: number[] = [];
  const end = storeFollowUp(new Broker({ clock, middleware: [] }), "the thing", message, () => {
    at.push(clock.now() - start);
    if (at.length === 7) seventh(message);
    return at.length <= failures ? Promise.reject(error) : Promise.resolve("stored");
  }).catch((error) => error);
  return { end: await clock.waitFor(end), at };
}

test("storeFollowUp tries five times, a second apart, while the server is away", async () => {
  const away = new ConnectionClosed("The server is away");
  assertEquals(await tries(4, away), { at: [0, 1_000, 2_000, 3_000, 4_000], end: "stored" });
  const { at, end } = await tries(5, away);
  assertEquals(at.length, 5);
  await assertRejects(() => Promise.reject(end), FollowUpNotStored, "Cannot store the thing");
});

test("storeFollowUp tries once what can never be stored", async () => {
  const { at, end } = await tries(1, new TypeError("It is too large"));
  assertEquals(at, [0]);
  await assertRejects(() => Promise.reject(end), FollowUpNotStored, "It is too large");
});

test("storeFollowUp tries until the server is back where deliveries are counted", async () => {
  const away = new ConnectionClosed("The server is away");
  const { at, end } = await tries(60, away, { Broker: CountingBroker });
  assertEquals([at.length, at.at(-1), end], [61, 60_000, "stored"]);
});

const ENDS: [what: string, seventh: (delivery: Delivery) => void][] = [
  ["its message is delivered again", (message) => message.lose()],
  ["its worker gives up", (message) => message.interrupt(new WorkerLost("The time is over"))],
];
for (const [what, seventh] of ENDS) {
  test(`storeFollowUp gives up where deliveries are counted when ${what}`, async () => {
    const away = new ConnectionClosed("The server is away");
    const { at, end } = await tries(60, away, { Broker: CountingBroker, seventh });
    assertEquals(at.length, 7);
    await assertRejects(() => Promise.reject(end), FollowUpNotStored, "Cannot store the thing");
  });
}
