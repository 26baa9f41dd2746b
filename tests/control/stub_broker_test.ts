import { StubBroker } from "@dq/dramatiq";
import { brokerControlConformance } from "../conformance/broker_control.ts";

brokerControlConformance({
  name: "StubBroker",
  open: (_namespace, middleware) => new StubBroker({ middleware, failFast: false }),
  sharesNothing: true,
});
