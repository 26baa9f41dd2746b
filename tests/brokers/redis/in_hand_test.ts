import { assertEquals } from "@std/assert";
import { RedisDelivery } from "../../../brokers/redis/delivery.ts";
import { InHand } from "../../../brokers/redis/in_hand.ts";
import { work } from "../../conformance/broker_messages.ts";
import { test } from "../../support/test.ts";

const deliver = (id: string) => new RedisDelivery(work("q", id), id);

function idsOf(inHand: InHand): string[] {
  const ids = new Set<string>();
  inHand.addIdsTo(ids);
  return [...ids].toSorted();
}

test("InHand holds what is being settled until the server has answered, and no longer", async () => {
  const inHand = new InHand();
  const [a, b, c] = [deliver("a"), deliver("b"), deliver("c")];
  inHand.add([a, b, c]);
  const answered = Promise.withResolvers<void>();
  const settling = inHand.settle(inHand.take([a, b]), answered.promise);
  assertEquals([inHand.unsettled, inHand.size, idsOf(inHand)], [1, 3, ["a", "b", "c"]]);
  assertEquals(inHand.take([a]), []);
  answered.resolve();
  await settling;
  assertEquals([inHand.unsettled, inHand.size, idsOf(inHand)], [1, 1, ["c"]]);
});

test("InHand.settled waits for all that is being settled, and bears failures", async () => {
  const inHand = new InHand();
  const [a, b] = [deliver("a"), deliver("b")];
  inHand.add([a, b]);
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const failing = inHand.settle(inHand.take([a]), first.promise).catch(() => "failed");
  const settling = inHand.settle(inHand.take([b]), second.promise);
  const order: string[] = [];
  const settled = inHand.settled().then(() => order.push("settled"));
  first.reject(new Error("no"));
  assertEquals(await failing, "failed");
  order.push("first");
  second.resolve();
  await Promise.all([settling, settled]);
  assertEquals(order, ["first", "settled"]);
  assertEquals(inHand.size, 0);
});

test("InHand.takeAll takes what is not settled in the order of delivery", () => {
  const inHand = new InHand();
  const all = ["a", "b", "c", "d"].map(deliver);
  inHand.add(all);
  inHand.take([all[0]!]);
  assertEquals(inHand.takeAll(), all.slice(1));
  assertEquals(inHand.size, 0);
});
