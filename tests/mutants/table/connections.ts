import { type Mutant, mutantsOf } from "../mutant.ts";

const SILENT = "tests/brokers/redis/silent_test.ts";
const OUTAGES = "tests/brokers/rabbitmq/outages_test.ts";
const STOP = "tests/worker/worker_stop_test.ts";

/** Time-outs of connections, and what a stop waits for. */
export const CONNECTIONS: readonly Mutant[] = [
  ...mutantsOf("clients/redis/reconnecting_client.ts", SILENT, [
    [
      "an attempt to connect has no time-out",
      'if (before === "none") this.#attemptWatchdog.sent();',
      'if (before === "none") return;',
      { filter: "each connection is silent" },
    ],
    [
      "an attempt of a cluster is broken off, and none follows",
      "if (breakOff(client, reason) && !this.isCluster) return;",
      "breakOff(client, reason);\n    if (this.isCluster) return;",
      {
        filter: "cluster",
        stays: "ioredis asks the other nodes by itself within its own time-out for slots",
      },
    ],
  ]),
  ...mutantsOf("clients/redis/key_notifier.ts", "tests/clients/redis/key_notifier_test.ts", [
    [
      "nobody looks when the connection is up again",
      "connection.onUp(() => this.#notifyAll());",
      "",
      { filter: "looks at all queues" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/silence.ts", OUTAGES, [
    [
      "a connection that trickles counts as alive",
      "stream.bytesRead - bytes >= HEARTBEAT_FRAME",
      "stream.bytesRead > bytes",
      { filter: "goes over to trickle" },
    ],
    [
      "a standing event loop counts as silence of the server",
      "if (now - lookedAt > 2 * interval) heardAt += now - lookedAt;",
      "",
      { filter: "event loop stood still" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/client.ts", OUTAGES, [
    [
      "an attempt that is late leaves its socket behind",
      "abort.abort(error);",
      "",
      { filter: "leaves no connection behind" },
    ],
  ]),
  ...mutantsOf("worker/settlement.ts", STOP, [
    [
      "a stop gives up though acknowledgements get through",
      " && this.#endedCalls === endedCalls",
      "",
      { filter: "Worker.stop" },
    ],
    [
      "a stop gives up hooks as if they were acknowledgements",
      "calls > 0 && this.#endedCalls",
      "this.#endedCalls",
      { filter: "Worker.stop" },
    ],
  ]),
  ...mutantsOf("worker/worker.ts", STOP, [
    [
      "a stop takes any timeout",
      "checkStopTimeout(timeout);\n    if",
      "if",
      { filter: "Worker.stop" },
    ],
  ]),
];
