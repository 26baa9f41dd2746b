/** Sends one message to a worker with a thread, within a span, and ends. */
import { trace } from "@opentelemetry/api";
import { isMainThread } from "node:worker_threads";
import process from "node:process";
import { actor, defaultMiddleware, StubBroker, Worker } from "@dq/dramatiq";
import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";

/** The broker of the actor. */
export const broker: StubBroker = new StubBroker({
  middleware: [new OpenTelemetry(), ...defaultMiddleware()],
});
const tracer = trace.getTracer("program");
const work = actor(async function work() {
  await tracer.startActiveSpan("query", async (span) => {
    await Promise.resolve();
    span.end();
  });
}, { broker });

if (isMainThread) {
  const modules = [import.meta.url];
  const worker = new Worker(broker, {
    executor: "thread",
    threads: 1,
    modules,
    brokerExport: "broker",
  });
  await worker.start();
  await tracer.startActiveSpan("request", async (span) => {
    await work.send();
    span.end();
  });
  await broker.join("default");
  await worker.stop();
  await broker.close();
  process.exitCode = 0;
}
