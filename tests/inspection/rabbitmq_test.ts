import { RabbitmqBroker } from "@dq/dramatiq";
import { inspectorConformance } from "../conformance/inspector.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { after } from "../support/test.ts";

const server = await startRabbitmq();
after(() => server.stop());

inspectorConformance({
  name: "RabbitmqInspector",
  open: (_namespace, middleware) => new RabbitmqBroker({ url: server.url, middleware }),
  skips: {
    discoversQueues: "only the HTTP API lists queues",
    showsUndecodable: "it shows no ready messages",
  },
});
