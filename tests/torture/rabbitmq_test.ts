import { testLong } from "../servers/own.ts";
import { RabbitmqTarget } from "./rabbitmq_target.ts";
import { HEARTBEAT_TIMEOUT, tortureShortly } from "./short.ts";

const test = testLong("rabbitmq-server");

test("RabbitmqBroker loses nothing when workers and connections die, and the server stops", () =>
  tortureShortly(
    // Up to the second rung of the ladder.
    { messages: 2_000, longestDelay: 5_000, clockError: 2_000 },
    () => RabbitmqTarget.open(HEARTBEAT_TIMEOUT),
  ));
