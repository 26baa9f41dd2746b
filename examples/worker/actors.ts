/**
 * Actors for a worker of its own:
 *
 *     deno task worker examples/worker/actors.ts
 *
 * The broker is in memory, so the process that sends has to be the one that works: on
 * being imported, this module sends three messages.
 *
 * @module
 */
import { actor, setBroker, StubBroker } from "@dq/dramatiq";

export const broker = new StubBroker();
setBroker(broker);

export const greet = actor(function greet(name: string) {
  console.log(`Hello, ${name}`);
}, { queueName: "greetings" });

for (const name of ["Ada", "Grace", "Edsger"]) await greet.send(name);
