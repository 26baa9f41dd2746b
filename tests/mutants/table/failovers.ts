import { type Mutant, mutantsOf } from "../mutant.ts";

const FAILOVER = "tests/brokers/redis/failover_test.ts";
const CLUSTER = "tests/brokers/redis/cluster_errors_test.ts";
const REPLICATION = "tests/brokers/redis/replication_test.ts";
const ERRORS = "tests/clients/redis/errors_test.ts";

/** Mistakes in what follows failovers of Redis. */
export const FAILOVERS: readonly Mutant[] = [
  ...mutantsOf("clients/redis/sentinel_watch.ts", FAILOVER, [
    [
      "a master that hangs is kept",
      "    this.#leave();\n",
      "",
      { filter: "unasked" },
    ],
    [
      "the masters of others count, too",
      "name === this.#options.name && ",
      "",
      { stays: "a test would need Sentinels of two masters" },
    ],
  ]),
  ...mutantsOf("clients/redis/reconnecting_client.ts", FAILOVER, [
    [
      "NOREPLICAS behind Sentinel is final",
      "return isReply(error.cause) && isShortOfReplicas(error.cause);",
      "return false;",
      { filter: "NOREPLICAS for" },
    ],
    [
      "NOREPLICAS of one server is waited for",
      "if (this.#sentinelWatch === undefined || !(error instanceof ConnectionFailed)) return false;",
      "if (!(error instanceof ConnectionFailed)) return false;",
      { filter: "of one server" },
    ],
  ]),
  ...mutantsOf("clients/redis/replication.ts", FAILOVER, [
    [
      "one replica too few is enough",
      "(wait.value as number) >= count",
      "(wait.value as number) >= count - 8",
      { filter: "too few replicas" },
    ],
  ]),
  ...mutantsOf("clients/redis/replication.ts", REPLICATION, [
    [
      "what WAIT is refused with counts as not run",
      "throw notWaited(purpose, wait.reason);",
      "throw wait.reason;",
      { filter: "may not wait" },
    ],
  ]),
  ...mutantsOf("clients/redis/errors.ts", REPLICATION, [
    [
      "a wait that a failover ends is rejected",
      "|UNBLOCKED|",
      "|",
      { filter: "demoted while it waits" },
    ],
  ]),
  ...mutantsOf("brokers/redis/open_session.ts", FAILOVER, [
    [
      "all commands wait with what waits for replicas",
      ": new RedisConnection(source, { waitReplicas, outage: connection.outage });",
      ": connection;",
      { filter: "waitReplicas" },
    ],
  ]),
  ...mutantsOf("clients/redis/retry.ts", CLUSTER, [
    [
      "what waits for its turn has five seconds from then",
      "Math.max(since, this.#watchdog.repliedAt)",
      "performance.now()",
      { filter: "all hang" },
    ],
  ]),
  ...mutantsOf("clients/redis/client.ts", CLUSTER, [
    [
      "nobody asks where the keys of a lost node are",
      "  await cluster.exists(key); // the answer tells the client where keys have gone\n",
      "",
      { filter: "was restarted" },
    ],
  ]),
  ...mutantsOf("clients/redis/command_outage.ts", CLUSTER, [
    [
      "the end of an outage that only commands notice is not logged",
      "    this.#outage.back(this);\n",
      "",
      { filter: "CLUSTERDOWN, and it is logged" },
    ],
  ]),
  ...mutantsOf("clients/redis/errors.ts", ERRORS, [
    [
      "redirections hide the kind of an error",
      "if (match === null) return error;",
      "return error;",
    ],
  ]),
];
