import { setTimeout as delay } from "node:timers/promises";
import {
  actor,
  AgeLimit,
  type AnyActor,
  Prometheus,
  Retries,
  StubBroker,
  TimeLimit,
} from "@dq/dramatiq";

/** Middleware that counts; that of each realm has nothing to count. */
export const prometheus: Prometheus = new Prometheus();

/** The broker of the worker, and one of each realm. */
export const broker: StubBroker = new StubBroker({
  middleware: [
    prometheus,
    new AgeLimit(),
    new TimeLimit({ timeLimit: 300, grace: 100 }),
    new Retries(),
  ],
  failFast: false,
});

/** Never gives its thread back. */
export const spin: AnyActor = actor(function spin() {
  while (true);
}, { broker, maxRetries: 0 });

/** Cannot end while `spin` has its thread. */
export const neighbour: AnyActor = actor(async function neighbour() {
  await delay(100);
}, { broker, timeLimit: 60_000 });
