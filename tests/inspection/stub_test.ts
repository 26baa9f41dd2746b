import { assert, assertEquals } from "@std/assert";
import { getEncoder, JSONEncoder, Message, setEncoder, StubBroker } from "@dq/dramatiq";
import { inspectorConformance } from "../conformance/inspector.ts";
import { test } from "../support/test.ts";

inspectorConformance({
  name: "StubInspector",
  open: (_namespace, middleware) => new StubBroker({ middleware }),
  skips: {
    discoversQueues: "it lives in the memory of one process",
    showsUndecodable: "nothing but messages can be put on its queues",
  },
});

test("StubInspector reads only the dead letters that it changes", async () => {
  const COUNT = 200;
  await using broker = new StubBroker();
  broker.declareQueue("q");
  const message = (_: unknown, i: number) =>
    new Message({ queueName: "q", actorName: "a", args: [i] });
  await broker.enqueueMany(Array.from({ length: COUNT }, message));
  await using consumer = broker.consume("q", { prefetch: COUNT });
  await consumer.nack(await consumer.receive(COUNT));
  await using inspector = broker.inspect();
  const query = { queueName: "q", state: "dead", limit: COUNT } as const;
  const refs = (await inspector.list(query)).messages.map(({ ref }) => ref);
  let encoded = 0;
  class CountingEncoder extends JSONEncoder {
    override encodeMessage(...args: Parameters<JSONEncoder["encodeMessage"]>) {
      encoded += 1;
      return super.encodeMessage(...args);
    }
  }
  const own = getEncoder();
  setEncoder(new CountingEncoder());
  try {
    await inspector.change(refs.slice(0, COUNT / 2), "requeue");
    await inspector.change(refs.slice(COUNT / 2), "drop");
  } finally {
    setEncoder(own);
  }
  assert(encoded <= 2 * COUNT, `${encoded} messages were written`);
  const { queues: [counts] } = await inspector.overview();
  assertEquals([counts!.ready, counts!.dead], [COUNT / 2, 0]);
});
