import { assertEquals } from "@std/assert";
import {
  type Broker,
  ControlStore,
  RabbitmqBroker,
  RedisControlStore,
  StubControlStore,
} from "@dq/dramatiq";
import type { RabbitmqDelivery } from "../../brokers/rabbitmq/delivery.ts";
import { Marks } from "../../brokers/rabbitmq/marks.ts";
import type { ControlChange, ControlListener, ControlOutcome } from "../../core/control_store.ts";
import { brokerClaimsConformance } from "../conformance/broker_claims.ts";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { brokerSuspectsConformance } from "../conformance/broker_suspects.ts";
import { startProxy, type TcpProxy } from "../support/servers/proxy.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { startRedis } from "../support/servers/redis.ts";
import { testLong } from "../servers/own.ts";
import { systemClock } from "../../platform/clock.ts";
import { after, test } from "../support/test.ts";
import { checkMatrix, newAddress } from "./cancel_matrix_check.ts";
import { checkPauseCrash } from "./pause_crash_check.ts";

const [rabbitmq, redis] = await Promise.all([startRabbitmq(), startRedis()]);
const proxies: TcpProxy[] = [];
after(async () => {
  for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
  await rabbitmq.stop();
  await redis.stop();
});

brokerControlConformance({
  name: "RabbitmqBroker with a RedisControlStore",
  open: (namespace, middleware) =>
    new RabbitmqBroker({
      url: rabbitmq.url,
      middleware,
      control: new RedisControlStore({ url: redis.url, namespace }),
    }),
});

brokerClaimsConformance({
  name: "RabbitmqBroker with a RedisControlStore",
  open: (namespace, middleware) =>
    new RabbitmqBroker({
      url: rabbitmq.url,
      middleware,
      control: new RedisControlStore({ url: redis.url, namespace }),
    }),
  skips: { uniqueFlushed: "RabbitMQ does not tell whether a message is still there" },
});

testLong("rabbitmq-server")(
  "A cancelled message does not run, wherever it is and whenever its worker is killed: RabbitMQ",
  async () => {
    await checkMatrix(
      () => ({ ...newAddress(), redis: redis.url, amqp: rabbitmq.url }),
      ["skipped", "acking", "acked"], // those before concern the control store only
    );
  },
);

testLong("rabbitmq-server")(
  "A pause outlives the worker that paused, which is killed, and workers that replace it: RabbitMQ",
  () => checkPauseCrash(() => ({ ...newAddress(), redis: redis.url, amqp: rabbitmq.url })),
);

/** A delivery that RabbitMQ had made before, as its marks see it. */
const redelivered = (messageId: string) =>
  ({
    messageId,
    suspicion: { deaths: 0, notes: "" },
    option: () => undefined,
  }) as unknown as RabbitmqDelivery;

test("Marks count a death once another broker finds the mark, and mark the message again later", async () => {
  await using control = new StubControlStore();
  const open = (brokerId: string) => new Marks({ control, clock: systemClock, brokerId });
  const mark = async () => (await control.read("begun/")).entries[0]?.value as { by?: string };
  const delivery = redelivered("m");
  await open("dead").begin([delivery]);
  const other = redelivered("m");
  const marks = open("living");
  await marks.begin([other]);
  // It is not to run beside others: until it begins again, a death would not be its fault.
  assertEquals([other.suspicion?.deaths, (await mark()).by], [1, undefined]);
  await marks.begin([other]);
  assertEquals([other.suspicion?.deaths, (await mark()).by], [1, "living"]);
});

test("Marks count no death for a message that comes back to the broker which marked it", async () => {
  await using control = new StubControlStore();
  const marks = new Marks({ control, clock: systemClock, brokerId: "living" });
  for (let i = 0; i < 2; i++) {
    const delivery = redelivered("m");
    await marks.begin([delivery]);
    assertEquals(delivery.suspicion, { deaths: 0, notes: "" });
  }
});

/** A control store whose process may die: then it changes nothing any more. */
class MortalControlStore extends ControlStore {
  isDead = false;
  readonly #store: ControlStore;

  constructor(store: ControlStore) {
    super();
    this.#store = store;
  }

  read(selection: string | readonly string[]) {
    return this.#store.read(selection);
  }

  async change(changes: readonly ControlChange[]): Promise<ControlOutcome> {
    if (this.isDead) return { applied: true, now: 0, found: [] };
    return await this.#store.change(changes);
  }

  watch(prefix: string, listener: ControlListener): Disposable {
    return this.#store.watch(prefix, listener);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

const links: WeakMap<Broker, TcpProxy> = new WeakMap();

brokerSuspectsConformance({
  name: "RabbitmqBroker with a RedisControlStore",
  async open(namespace) {
    const proxy = await startProxy(rabbitmq);
    proxies.push(proxy);
    const broker = new RabbitmqBroker({
      url: `amqp://guest:guest@127.0.0.1:${proxy.port}`,
      control: new MortalControlStore(new RedisControlStore({ url: redis.url, namespace })),
    });
    links.set(broker, proxy);
    return broker;
  },
  async die(broker) {
    (broker.controlStore as MortalControlStore).isDead = true;
    await links.get(broker)!.cut();
  },
  async countLeft(broker, queueName) {
    const { ready, delayed } = await (broker as RabbitmqBroker).getQueueMessageCounts(queueName);
    const { entries } = await broker.controlStore!.read("begun/");
    return ready + delayed + entries.length;
  },
});
