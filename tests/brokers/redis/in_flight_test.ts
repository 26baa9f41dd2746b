import { assertEquals } from "@std/assert";
import { RedisDelivery } from "../../../brokers/redis/delivery.ts";
import { InFlight } from "../../../brokers/redis/in_flight.ts";
import { work } from "../../conformance/broker_messages.ts";
import { test } from "../../support/test.ts";

const deliver = (id: string) => new RedisDelivery(work("q", id), id);

function idsOf(inFlight: InFlight): string[] {
  const ids = new Set<string>();
  inFlight.addIdsTo(ids);
  return [...ids].toSorted();
}

test("InFlight holds what is being settled until the server has answered, and no longer", async () => {
  const inFlight = new InFlight(8);
  const [a, b, c] = [deliver("a"), deliver("b"), deliver("c")];
  inFlight.add([a, b, c]);
  const answered = Promise.withResolvers<void>();
  const settling = inFlight.settle(inFlight.take([a, b]), answered.promise);
  assertEquals([inFlight.room, inFlight.size, idsOf(inFlight)], [7, 3, ["a", "b", "c"]]);
  assertEquals(inFlight.take([a]), []);
  answered.resolve();
  await settling;
  assertEquals([inFlight.room, inFlight.size, idsOf(inFlight)], [7, 1, ["c"]]);
});

test("InFlight.settled waits for all that is being settled, and bears failures", async () => {
  const inFlight = new InFlight(8);
  const [a, b] = [deliver("a"), deliver("b")];
  inFlight.add([a, b]);
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const failing = inFlight.settle(inFlight.take([a]), first.promise).catch(() => "failed");
  const settling = inFlight.settle(inFlight.take([b]), second.promise);
  const order: string[] = [];
  const settled = inFlight.settled().then(() => order.push("settled"));
  first.reject(new Error("no"));
  assertEquals(await failing, "failed");
  order.push("first");
  second.resolve();
  await Promise.all([settling, settled]);
  assertEquals(order, ["first", "settled"]);
  assertEquals(inFlight.size, 0);
});

test("InFlight.takeAll takes what is not settled in the order of delivery", () => {
  const inFlight = new InFlight(8);
  const all = ["a", "b", "c", "d"].map(deliver);
  inFlight.add(all);
  inFlight.take([all[0]!]);
  assertEquals(inFlight.takeAll(), all.slice(1));
  assertEquals(inFlight.size, 0);
});
