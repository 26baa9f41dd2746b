import { actor, defaultMiddleware, Prometheus, StubBroker } from "@dq/dramatiq";

/** Each process has one of its own, with five messages. */
export const broker: StubBroker = new StubBroker({
  middleware: [new Prometheus(), ...defaultMiddleware()],
});

const quick = actor(function quick() {}, { broker });
await quick.sendMany(Array.from({ length: 5 }, () => []));
