import process from "node:process";
import { StubBroker } from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { brokerClaimsConformance } from "../conformance/broker_claims.ts";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { brokerSuspectsConformance } from "../conformance/broker_suspects.ts";

// Consumers that were lost are opened again at once.
process.env["DRAMATIQ_RESTART_DELAY"] = "1";

brokerControlConformance({
  name: "StubBroker",
  open: (_namespace, middleware, clock) =>
    new StubBroker({ middleware, failFast: false, ...(clock && { clock }) }),
  makeClock: () => new FakeClock(Date.now()),
  sharesNothing: true,
});

brokerClaimsConformance({
  name: "StubBroker",
  open: (_namespace, middleware, clock) =>
    new StubBroker({ middleware, failFast: false, ...(clock && { clock }) }),
  makeClock: () => new FakeClock(Date.now()),
  sharesNothing: true,
});

brokerSuspectsConformance({
  name: "StubBroker",
  open: () => new StubBroker({ failFast: false }),
  sharesNothing: true,
  die: (broker) => Promise.resolve((broker as StubBroker).loseConsumers()),
  skips: { suspectSettled: "what is known of a suspect is a part of it" },
});
