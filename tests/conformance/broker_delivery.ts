import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { type Broker, BrokerConnectionError } from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import type { TcpProxy } from "../support/servers/proxy.ts";
import { eventually } from "../support/servers/until.ts";
import type { Fixture, Rules } from "./broker_harness.ts";
import { sendAll, work } from "./broker_messages.ts";

/** Messages of a kilobyte that are sent at once, and bytes of them that may be on their way. */
const SENDS = 24_000;
const MAX_HELD = 24 * 1024 * 1024;

/** True if a message that could not be sent may have arrived: callers repeat what cannot. */
export const delivery: Rules = {
  deliveryAfterClose: {
    rule: "Broker.enqueue on a closed broker fails as not delivered",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.close();
      assertEquals(await deliveryOf(broker.enqueue(work(fixture.queueName, 1))), "none");
      assertEquals(await deliveryOf(broker.enqueueMany([work(fixture.queueName, 1)])), "none");
    },
  },

  deliveryUnreachable: {
    rule: "Broker.enqueue fails as not delivered when its server was never reached",
    needs: "openProxied",
    async check(fixture) {
      const [broker, proxy] = await openProxied(fixture);
      proxy.refuse();
      const { queueName } = fixture;
      const many = [work(queueName, 2), work(queueName, 3)];
      const deliveries = [
        deliveryOf(broker.enqueue(work(queueName, 1))),
        deliveryOf(broker.enqueueMany(many)),
        deliveryOf(broker.enqueue(work(queueName, 4), { delay: 1 })),
      ];
      assertEquals(await Promise.all(deliveries), ["none", "none", "none"]);
    },
  },

  deliveryUnanswered: {
    rule: "Broker.enqueue fails as of unknown delivery when it was written and not answered",
    needs: "openProxied",
    async check(fixture) {
      const [broker, proxy] = await openProxied(fixture);
      await sendAll(broker, fixture.queueName, ["before"]);
      proxy.freeze();
      const { queueName } = fixture;
      const deliveries = [
        deliveryOf(broker.enqueue(work(queueName, 1))),
        deliveryOf(broker.enqueueMany([work(queueName, 2), work(queueName, 3)])),
      ];
      assertEquals(await Promise.all(deliveries), ["unknown", "unknown"]);
      await proxy.cut();
      proxy.thaw();
    },
  },

  sendingBounded: {
    rule: "Broker has a bounded number of messages on their way to a server that does not answer",
    needs: "openProxied",
    async check(fixture) {
      const [broker, proxy] = await openProxied(fixture);
      await sendAll(broker, fixture.queueName, ["before"]);
      proxy.freeze();
      const text = "x".repeat(1_000);
      const sends = Array.from(
        { length: SENDS },
        () => broker.enqueue(work(fixture.queueName, text)),
      );
      const settled = Promise.allSettled(sends);
      let givenUp = 0; // on a machine that is busy for seconds; others take their place
      for (const send of sends) send.catch(() => givenUp++);
      await eventually("see messages on their way", async () => {
        const held = proxy.heldForTarget;
        for (let turn = 0; turn < 50; turn++) await nextTurn();
        return held > 0 && proxy.heldForTarget === held;
      });
      const held = proxy.heldForTarget;
      const least = held - givenUp * 2 * text.length;
      assert(least < MAX_HELD, `${held} bytes are on their way, ${givenUp} given up`);
      proxy.thaw();
      for (const outcome of await settled) {
        if (outcome.status === "rejected") assertInstanceOf(outcome.reason, BrokerConnectionError);
      }
    },
  },

  deliveryCutOff: {
    rule:
      "Broker.enqueue fails as of unknown delivery when it was written and the server went away",
    needs: "openProxied",
    async check(fixture) {
      const [broker, proxy] = await openProxied(fixture);
      await sendAll(broker, fixture.queueName, ["before"]);
      proxy.freeze();
      const first = deliveryOf(broker.enqueue(work(fixture.queueName, 1)));
      await eventually("be written", () => Promise.resolve(proxy.heldForTarget > 0));
      proxy.refuse();
      await proxy.cut();
      proxy.thaw();
      // It was tried again, and then could not be written.
      assertEquals(await first, "unknown");
      assertEquals(await deliveryOf(broker.enqueue(work(fixture.queueName, 2))), "none");
    },
  },
};

/** Opens a broker behind a proxy, both closed at the end. */
async function openProxied(fixture: Fixture): Promise<[Broker, TcpProxy]> {
  const { broker, proxy } = await fixture.harness.openProxied!(fixture.namespace);
  fixture.use(proxy);
  fixture.use(broker);
  broker.declareQueue(fixture.queueName);
  return [broker, proxy];
}

/** Delivery state that a failed `enqueue` gives of the message. */
async function deliveryOf(sending: Promise<unknown>): Promise<string> {
  let error: unknown;
  await sending.catch((reason) => error = reason);
  assert(error instanceof BrokerConnectionError, `it failed with ${error}`);
  return error.delivery;
}
