import { actor, currentActor, GenericActor, StubBroker, Worker } from "@dq/dramatiq";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { test } from "../support/test.ts";

test("currentActor sends to the actor that runs, typed by its function", async () => {
  const broker = new StubBroker();
  const seen: unknown[] = [];
  const crawl = actor(async function crawl(url: string, depth: number) {
    seen.push([url, depth, currentActor() === currentActor(crawl)]);
    if (depth > 0) await currentActor(crawl).send(`${url}/next`, depth - 1);
    // @ts-expect-error -- the depth is missing
    if (depth < 0) await currentActor(crawl).send(url);
  }, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  await crawl.send("a", 2);
  await broker.join("default");
  await worker.join();
  assertEquals(seen, [["a", 2, true], ["a/next", 1, true], ["a/next/next", 0, true]]);
});

test("currentActor is the one of its own run, also after a wait and beside others, and of classes", async () => {
  const broker = new StubBroker();
  const names: string[] = [];
  const look = async () => {
    await Promise.resolve();
    names.push(currentActor().actorName);
  };
  class Resize extends GenericActor {
    static override meta = { broker };
    async perform(): Promise<void> {
      await look();
    }
  }
  const all = [
    actor(look, { actorName: "first", broker }),
    actor(look, { actorName: "second", broker }),
    actor(Resize),
  ];
  await using worker = new Worker(broker);
  await worker.start();
  for (const one of all) await one.send();
  await broker.join("default");
  await worker.join();
  assertEquals(names.toSorted(), ["Resize", "first", "second"]);
});

test("currentActor throws where no actor runs, and for the function of another one", async () => {
  const broker = new StubBroker();
  assertThrows(
    () => currentActor(),
    TypeError,
    "Cannot get the current actor: no actor is running here",
  );
  const other = () => {};
  const one = actor(() => void currentActor(other), { actorName: "one", broker, maxRetries: 0 });
  await using worker = new Worker(broker);
  await worker.start();
  await one.send();
  await assertRejects(
    () => broker.join("default"),
    TypeError,
    'Cannot use other as the current actor: "one" is running',
  );
});

test("actor has its bare function say why it has no logger", () => {
  const broker = new StubBroker();
  const quiet = actor(function quiet() {
    // @ts-expect-error -- inside of it, the name is the function
    quiet.logger.info("told");
  }, { broker });
  assertThrows(() => quiet(), TypeError, "use currentActor().logger");
  quiet.logger.info("the actor has one");
  const own = Object.assign(() => {}, { logger: "own" });
  actor(own, { actorName: "own", broker });
  const late: { logger?: string } = actor(() => {}, { actorName: "late", broker }).fn as never;
  late.logger = "late";
  assertEquals([own.logger, late.logger], ["own", "late"]);
});

test("actor has its bare function say why it does not send", async () => {
  const broker = new StubBroker();
  const crawl = actor(async function crawl(url: string): Promise<void> {
    // @ts-expect-error -- inside of it, the name is the function
    await crawl.send(url);
  }, { broker, maxRetries: 0 });
  await using worker = new Worker(broker);
  await worker.start();
  await crawl.send("a");
  await assertRejects(() => broker.join("default"), TypeError, "use currentActor().send(…)");

  const own = Object.assign(() => {}, { send: () => "own" });
  actor(own, { actorName: "own", broker });
  assertEquals(own.send(), "own");
  assertEquals(Object.keys(crawl.fn), []);
  actor(Object.freeze(() => {}), { actorName: "frozen", broker });
});
