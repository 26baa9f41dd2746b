import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionClosed, ConnectionFailed } from "@dq/dramatiq";
import type { RabbitmqConnection } from "../../../brokers/rabbitmq/connection.ts";
import { Publication, Receipt } from "../../../brokers/rabbitmq/publication.ts";
import { Publisher } from "../../../brokers/rabbitmq/publisher.ts";
import type { Topology } from "../../../brokers/rabbitmq/topology.ts";
import { test } from "../../support/test.ts";

test("Publisher lets others have their turns while no channel can be opened", async () => {
  let attempts = 0;
  const connection = {
    isUp: true,
    onUnblocked() {},
    whenUp: () => Promise.resolve(),
    openChannel() {
      attempts += 1;
      return Promise.reject(new Error("No channels left to allocate"));
    },
  } as unknown as RabbitmqConnection;
  const topology = { isDeclared: () => true } as unknown as Topology;
  const publisher = new Publisher(connection, topology, {
    isConfirmed: true,
    blockedTimeout: 60_000,
  });
  const receipt = new Receipt(1);
  publisher.add(new Publication("q", "text", receipt));
  await delay(100);
  assert(attempts > 0 && attempts < 10, `${attempts} attempts`);
  await publisher.close();
  await assertRejects(() => receipt.promise, ConnectionClosed);
});

test("Publisher gives up after five seconds, however long an attempt to connect takes", async () => {
  const now = performance.now.bind(performance);
  let [attempts, passed] = [0, 0];
  const connection = {
    isUp: false,
    isClosed: false,
    onUnblocked() {},
    whenUp() {
      attempts += 1;
      passed += 3_000; // of a server that accepts connections, and is silent
      return Promise.reject(new ConnectionFailed("no answer"));
    },
  } as unknown as RabbitmqConnection;
  const topology = { isDeclared: () => true } as unknown as Topology;
  const publisher = new Publisher(connection, topology, {
    isConfirmed: true,
    blockedTimeout: 60_000,
  });
  performance.now = () => now() + passed;
  try {
    const receipt = new Receipt(1);
    publisher.add(new Publication("q", "text", receipt));
    await assertRejects(() => receipt.promise, ConnectionFailed, "no answer");
    assertEquals(attempts, 2);
  } finally {
    performance.now = now;
    await publisher.close();
  }
});
