import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { ConnectionClosed } from "@dq/dramatiq";
import { RedisDelivery } from "../../../brokers/redis/delivery.ts";
import { Acknowledgements } from "../../../brokers/redis/in_flight.ts";
import { nextTurn } from "../../../platform/runtime.ts";
import { work } from "../../conformance/broker_messages.ts";
import { test } from "../../support/test.ts";

/** Milliseconds that tell what hangs from what takes its time. */
const HANGS = 10_000;
const CUT = new ConnectionClosed("cut");

const deliveries = (...ids: string[]) => ids.map((id) => new RedisDelivery(work("q"), id));

/** Acknowledgements whose calls end when the test lets them. */
function ready() {
  const sent: (PromiseWithResolvers<unknown> & { ids: readonly string[] })[] = [];
  const acks = new Acknowledgements((ids) => {
    const call = { ...Promise.withResolvers<unknown>(), ids };
    sent.push(call);
    return call.promise;
  });
  const fetch = Promise.withResolvers<string>();
  const fetched: (readonly string[])[] = [];
  const fetchWithAcks = () =>
    acks.sendWith((ids) => {
      fetched.push(ids);
      return fetch.promise;
    });
  const settled: string[] = [];
  const add = (...ids: string[]) => {
    const adding = acks.add(deliveries(...ids));
    adding.then(() => settled.push(...ids), () => {});
    return adding;
  };
  return { acks, sent, fetch, fetched, fetchWithAcks, add, settled };
}

test("Acknowledgements of one turn go in one call, and resolve with its answer", async () => {
  const { sent, add, settled } = ready();
  const adding = [add("a", "b"), add("c")];
  await nextTurn();
  assertEquals(sent.map(({ ids }) => ids), [["a", "b", "c"]]);
  assertEquals(settled, []);
  sent[0]!.resolve(3);
  await Promise.all(adding);
  assertEquals(settled, ["a", "b", "c"]);
});

test("Acknowledgements that travel with a fetch resolve with its answer, not before", async () => {
  const { sent, fetch, fetched, fetchWithAcks, add, settled } = ready();
  const adding = add("a");
  const fetching = fetchWithAcks();
  await nextTurn();
  assertEquals([fetched, sent, settled], [[["a"]], [], []]);
  fetch.resolve("messages");
  assertEquals(await fetching, "messages");
  await adding;
  assertEquals(sent, []);
});

test("Acknowledgements whose fetch is cut off are sent by themselves", async () => {
  const { sent, fetch, fetchWithAcks, add, settled } = ready();
  const adding = add("a");
  const fetching = assertRejects(fetchWithAcks, ConnectionClosed, "cut");
  fetch.reject(CUT);
  await fetching;
  await nextTurn();
  assertEquals([sent.map(({ ids }) => ids), settled], [[["a"]], []]);
  sent[0]!.resolve(1);
  await deadline(adding, HANGS);
});

test("Acknowledgements that wait for a fetch go when there is none any more", async () => {
  const { acks, sent, fetch, fetchWithAcks, add } = ready();
  const begun = acks.expectFetch();
  add("a");
  await nextTurn();
  assertEquals(sent, []); // the fetch that comes takes it along
  begun();
  await nextTurn();
  await nextTurn();
  assertEquals(sent.map(({ ids }) => ids), [["a"]]);

  const fetching = fetchWithAcks();
  add("b");
  await nextTurn();
  assertEquals(sent.length, 1);
  fetch.resolve("");
  await fetching;
  await nextTurn();
  await nextTurn();
  assertEquals(sent.map(({ ids }) => ids), [["a"], ["b"]]);
});

test("Acknowledgements fail with the call that fails", async () => {
  const { sent, add } = ready();
  const adding = assertRejects(() => add("a"), ConnectionClosed, "cut");
  await nextTurn();
  sent[0]!.reject(CUT);
  await deadline(adding, HANGS);
});
