import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { trace } from "@opentelemetry/api";
import { type Actor, TimeLimit, Worker } from "@dq/dramatiq";
import { after, test } from "../support/test.ts";
import { stopAll } from "./fixture.ts";
import type { Line } from "./threads_actors.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-traces-"));
after(() => rm(folder, { recursive: true }));
after(stopAll);
const journal = process.env["TRACES_JOURNAL"] = join(folder, "spans");
const { broker, crash, spin, work } = await import("./threads_actors.ts");
after(() => broker.close());

async function lines(): Promise<Line[]> {
  const text = await readFile(journal, "utf8");
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

test("OpenTelemetry makes the span of an attempt in its thread, or afterwards if that was killed", async () => {
  for (const middleware of broker.middleware) {
    if (middleware instanceof TimeLimit) broker.removeMiddleware(middleware);
  }
  broker.addMiddleware(new TimeLimit({ grace: 50 }));
  const modules = [new URL("./threads_actors.ts", import.meta.url).href];
  await using worker = new Worker(broker, {
    executor: "thread",
    threads: 1,
    modules,
    brokerExport: "broker",
  });
  await worker.start();
  await trace.getTracer("test").startActiveSpan("request", async (span) => {
    for (const each of [spin, crash, work] as unknown as Actor<[], unknown>[]) {
      await each.send();
      await broker.join("default");
    }
    span.end();
  });
  await worker.stop(); // exports what its threads recorded
  const all = await lines();
  const request = all.find(({ name }) => name === "request")!;
  const [spun, crashed, worked] = ["spin", "crash", "work"].map((actor) => {
    const named = all.filter(({ attributes }) => attributes?.["dramatiq.actor"] === actor);
    const sent = named.filter(({ name }) => name === "send default");
    const processed = named.filter(({ name }) => name === "process default");
    assertEquals([sent.length, processed.length], [1, 1], actor);
    assertEquals(sent[0]!.parentId, request.spanId);
    assertEquals([processed[0]!.parentId, processed[0]!.traceId], [
      sent[0]!.spanId,
      request.traceId,
    ]);
    return processed[0]!;
  }) as [Line, Line, Line];
  assertEquals(worked.isOfThread, true);
  assertEquals(worked.attributes?.["dramatiq.outcome"], "done");
  const active = all.find(({ name }) => name === "active")!;
  assertEquals([active.isOfThread, active.spanId], [true, worked.spanId]);
  const errors = [spun, crashed].map(({ isOfThread, attributes }) => [
    isOfThread,
    attributes?.["error.type"],
    attributes?.["dramatiq.killed"],
    attributes?.["dramatiq.attempt"],
  ]);
  assertEquals(errors, [
    [false, "TimeLimitExceeded", true, 1],
    [false, "ActorCrashed", true, 1],
  ]);
  assert(spun.milliseconds! >= 100, `it ran for ${spun.milliseconds} ms`);
});
