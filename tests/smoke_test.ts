import { assertEquals } from "@std/assert";
import { actor, StubBroker, Worker } from "@dq/dramatiq";
import { test } from "./support/test.ts";

test("smoke", async () => {
  const broker = new StubBroker();
  const seen: number[] = [];
  const add = actor(function add(a: number) {
    seen.push(a);
  }, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  await add.send(1);
  await broker.join("default");
  assertEquals(seen, [1]);
});
