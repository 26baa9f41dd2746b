/**
 * This library as a contestant of bench/rabbitmq.ts.
 *
 * @module
 */
import { RabbitmqBroker } from "../../mod.ts";
import { OurContestant } from "../contest/ours.ts";
import { QUEUE, type SendMode } from "./assignment.ts";
import { measureContestant } from "./measure_contestant.ts";

await measureContestant(({ url }) => {
  return new OurContestant<SendMode>(QUEUE, new RabbitmqBroker({ url }));
});
