import { assertEquals, assertMatch } from "@std/assert";
import { StubBroker } from "@dq/dramatiq";
import type { ChangeOutcome, Inspector, MessageRef } from "../../core/inspection.ts";
import { linesOf, textOf } from "../support/log.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { dieOf, Site } from "./fixture.ts";

const LOG = { category: ["dramatiq", "dashboard"] };
const REQUEUE = { queue: "default", state: "dead", change: "requeue" };

/** An inspector of which a call of `change` waits until it may go on. */
function holding(broker: StubBroker): { next: () => void; calls: () => number } {
  const waiting: (() => void)[] = [];
  let calls = 0;
  const inspect = broker.inspect.bind(broker);
  broker.inspect = (): Inspector => {
    const inspector = inspect();
    const change = inspector.change.bind(inspector);
    inspector.change = async (refs: readonly MessageRef[], ...rest): Promise<ChangeOutcome[]> => {
      calls++;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return await change(refs, ...rest);
    };
    return inspector;
  };
  return { next: () => waiting.shift()?.(), calls: () => calls };
}

const errors = (count: number, text: string) => Array.from({ length: count }, () => text);

test("An operation shows how many match, three of them, and its fixed end", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", [...errors(5, "timeout"), ...errors(2, "other")]);
  const path = "/operations/new?queue=default&state=dead&change=requeue&error=timeout";
  const { expected, filter } = await site.json(path);
  assertEquals(expected, { count: 5, isExact: true });
  assertMatch(filter.before, /^\d+$/);
  const page = await site.text(path);
  assertEquals(page.match(/data-row/g)!.length, 3);
  assertMatch(page, /error=&quot;timeout&quot; before=\d{4}-/);
  assertEquals(
    (await site.get("/operations/new?queue=default&state=waiting&change=requeue")).status,
    400,
  );
});

test("An operation changes what matches, page by page, and logs how many", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", [...errors(205, "timeout"), ...errors(3, "other")]);
  const lines = await linesOf(LOG, async () => {
    const response = await site.post("/operations", {
      ...REQUEUE,
      error: "timeout",
      expected: "205",
    });
    assertMatch(response.headers.get("location")!, /operations\/1\?notice=/);
    await eventually("see it end", async () => (await site.json("/operations/1")).state === "done");
  });
  const { done, gone, failed } = await site.json("/operations/1");
  assertEquals([done, gone, failed], [205, 0, 0]);
  const { queues } = await site.json("/");
  assertEquals([queues[0].ready, queues[0].dead], [205, 3]);
  const texts = lines.map(textOf).map((text) =>
    text.replaceAll(/\\?"/g, "").replace(/ before=\S+/, "")
  );
  assertEquals(texts[0], "local began to requeue 205 of default where dead error=timeout");
  assertEquals(texts.at(-1), "local requeued 205 of default where dead error=timeout");
});

test("An operation leaves alone what comes after its fixed end", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", ["early"]);
  const { filter } = await site.json("/operations/new?queue=default&state=dead&change=drop");
  await new Promise((resolve) => setTimeout(resolve, 5));
  await dieOf(site.broker, "other", ["late"]);
  await site.post("/operations", {
    ...REQUEUE,
    change: "drop",
    before: filter.before,
    expected: "1",
  });
  await eventually("see it end", async () => (await site.json("/operations/1")).state === "done");
  const { messages } = await site.json("/queues/default/dead");
  assertEquals(messages.map(({ actor }: { actor: string }) => actor), ["other"]);
});

test("One operation at a time changes a queue, and it can be stopped", async () => {
  const broker = new StubBroker();
  const held = holding(broker);
  await using site = new Site({}, broker);
  await dieOf(broker, "work", errors(205, "timeout"));
  await site.post("/operations", { ...REQUEUE, expected: "205" });
  await eventually("see it begin", () => held.calls() === 1);
  const second = await site.post("/operations", { ...REQUEUE });
  assertMatch(
    await site.text(`/${second.headers.get("location")!}`),
    /operation 1 is at work on it/,
  );
  assertMatch(await site.text("/operations/1"), /operations\/1\/stop/);
  assertEquals((await site.post("/operations/1/stop")).status, 303);
  assertEquals((await site.post("/operations/9/stop")).status, 404);
  held.next();
  await eventually(
    "see it stop",
    async () => (await site.json("/operations/1")).state === "stopped",
  );
  const { done } = await site.json("/operations/1");
  assertEquals([done, held.calls()], [200, 1]);
  assertEquals((await site.json("/")).queues[0].dead, 5);
});

test("bulkLimit bounds an operation", async () => {
  await using site = new Site({ bulkLimit: 3 });
  await dieOf(site.broker, "work", errors(205, "timeout"));
  await site.post("/operations", REQUEUE);
  await eventually(
    "see it end",
    async () => (await site.json("/operations/1")).state === "limited",
  );
  assertEquals((await site.json("/operations/1")).done, 3);
});

test("Dropping many needs the name of the queue, and the server checks it", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", ["one"]);
  const drop = { ...REQUEUE, change: "drop" };
  const refused = await site.post("/operations", { ...drop, expected: "1001" });
  assertMatch(await site.text(`/${refused.headers.get("location")!}`), /was not typed/);
  await site.post("/operations", { ...drop, expected: "1001", typed: "default" });
  await eventually("see it end", async () => (await site.json("/")).queues[0].dead === 0);
});

test("An operation that the broker fails ends with the reason", async () => {
  const broker = new StubBroker();
  const inspect = broker.inspect.bind(broker);
  broker.inspect = (): Inspector => {
    const inspector = inspect();
    inspector.change = () => Promise.reject(new Error("Redis is full"));
    return inspector;
  };
  await using site = new Site({}, broker);
  await dieOf(broker, "work", ["one"]);
  await site.post("/operations", REQUEUE);
  await eventually("see it end", async () => (await site.json("/operations/1")).state === "failed");
  assertMatch(await site.text("/operations/1"), /Redis is full/);
});
