import { StubBroker } from "@dq/dramatiq";
import { inspectorConformance } from "../conformance/inspector.ts";

inspectorConformance({
  name: "StubInspector",
  open: (_namespace, middleware) => new StubBroker({ middleware }),
  skips: {
    discoversQueues: "it lives in the memory of one process",
    showsUndecodable: "nothing but messages can be put on its queues",
  },
});
