import { setTimeout as delay } from "node:timers/promises";
import { RabbitmqBroker, type RabbitmqBrokerOptions } from "@dq/dramatiq";
import {
  type RabbitmqCluster,
  startRabbitmqCluster,
} from "../../support/servers/rabbitmq_cluster.ts";
import { until } from "../../support/servers/until.ts";
import type { ClusterFault, Engine } from "./engine.ts";

/** Milliseconds for which a node with classic queues is away: nothing goes on without it. */
const DOWNTIME = 5_000;
/** Seconds of silence after which a node counts as gone. */
const TICK_TIME = 10;
/** Milliseconds after which a message is handed on again that was refused on its way. */
const HAND_ON_AGAIN = 5_000;
/** Of clients: to notice a silent node before an operation counts as stuck. */
const CLIENT = { heartbeat: 2_000, blockedTimeout: 3_000 };

/** Milliseconds: with a node that hangs, connections are lost, or left, one after the other. */
const LONGEST_SEND = 30_000;

const SETTINGS =
  `\`net_ticktime ${TICK_TIME}\`, \`cluster_partition_handling = pause_minority\`, ` +
  `\`dead_letter_worker_publisher_confirm_timeout ${HAND_ON_AGAIN}\`; ` +
  `clients: heartbeat: ${CLIENT.heartbeat}, blockedTimeout: ${CLIENT.blockedTimeout}`;

const QUEUES = {
  classic: { queueType: "classic" },
  // A follow-up that could not be stored and spent deliveries would make dead letters.
  quorum: { queueType: "quorum", deliveryLimit: 5 },
} as const;

/** Three nodes, of which the one with the leaders of all queues fails. */
export const RABBITMQ_QUORUM: Engine = engineOf("quorum");

/** Three nodes, of which the one with all queues fails, and comes back. */
export const RABBITMQ_CLASSIC: Engine = engineOf("classic");

function engineOf(queueType: "quorum" | "classic"): Engine {
  return {
    name: `RabbitMQ ×3, ${queueType} queues`,
    program: "rabbitmq-server",
    settings: queueType === "classic" ? SETTINGS : `${SETTINGS}, deliveryLimit: 5`,
    async start() {
      const cluster = await startRabbitmqCluster({
        tickTime: TICK_TIME,
        config: "{cluster_partition_handling, pause_minority}, " +
          `{dead_letter_worker_publisher_confirm_timeout, ${HAND_ON_AGAIN}}`,
      });
      const faults = faultsOf(cluster);
      return {
        faults: queueType === "quorum" ? faults : faults.map(whole),
        open: () => openClients(cluster, { ...CLIENT, ...QUEUES[queueType] }),
        [Symbol.asyncDispose]: () => cluster.stop(),
      };
    },
  };
}

/** All are connected to the node that fails, and declare the queues there. */
function openClients({ urls }: RabbitmqCluster, options: RabbitmqBrokerOptions) {
  const url = urls.toReversed();
  const sender = new RabbitmqBroker({ ...options, url });
  const worker = new RabbitmqBroker({ ...options, url });
  return {
    sender,
    worker,
    longestSend: LONGEST_SEND,
    // RabbitMQ 3.10 may leave a queue without a leader that is made while a node dies.
    hasDelayQueues: true,
    close: async () => {
      await Promise.all([sender.close(), worker.close()]);
    },
  };
}

function faultsOf(cluster: RabbitmqCluster): ClusterFault[] {
  const [home] = cluster.nodes;
  const node = cluster.nodes.at(-1)!;
  const { server } = node;
  const end = () => cluster.heal();
  const untilGone = async () => {
    await using console = home!.server.openConsole();
    const isGone = async () =>
      await console.evaluate("length(rabbit_nodes:all_running()).") === cluster.nodes.length - 1;
    await until(isGone, { what: "see that a node is gone", timeout: 60_000 });
  };
  return [
    { name: "node killed (SIGKILL)", begin: () => server.kill(), end },
    {
      name: "node stopped and started (stop_app)",
      isLong: true,
      begin: () => server.stopApp(),
      end,
    },
    {
      name: "node stopped (SIGSTOP)",
      isLong: true,
      async begin() {
        await server.pause();
        await untilGone();
      },
      end,
    },
    {
      name: "node cut off from the others (partition)",
      isLong: true,
      async begin() {
        await cluster.isolate(node);
        await untilGone();
      },
      end: () => cluster.rejoin(node),
    },
  ];
}

/** The same fault, over before anything is expected to go on. */
function whole({ name, isLong = false, begin, end }: ClusterFault): ClusterFault {
  return {
    name,
    isLong,
    async begin() {
      await begin();
      await delay(DOWNTIME);
      await end();
    },
    end: () => Promise.resolve(),
  };
}
