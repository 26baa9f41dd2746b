import { deadline } from "@std/async";
import { RabbitmqBroker, type RabbitmqBrokerOptions } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { testLong } from "../../../servers/own.ts";
import {
  type RabbitmqCluster,
  type RabbitmqNode,
  startRabbitmqCluster,
} from "../../../support/servers/rabbitmq_cluster.ts";
import type { RabbitmqConsole } from "../../../support/servers/rabbitmq_console.ts";
import { after, test } from "../../../support/test.ts";

/** Far above any honest run. */
const LONGEST_TEST = 120_000;
/** Seconds of silence after which a node counts as gone. Until then there is no new leader. */
const TICK_TIME = 10;

/** A cluster for the tests of a file, and what declares them. */
export interface ClusterFile {
  /** Skips where no server can be started. */
  readonly test: typeof test;
  readonly cluster: RabbitmqCluster;
  /** The node that clients of a test are connected to. It stays. */
  readonly home: RabbitmqNode;
  /** The node that suffers. */
  readonly target: RabbitmqNode;
  /** Of the home. */
  readonly console: RabbitmqConsole;
}

/** Starts a cluster of three that the tests of one file may do anything to, except to the home. */
export async function startClusterForFile(): Promise<ClusterFile> {
  const declare = testLong("rabbitmq-server");
  if (declare !== test) return { test: declare } as ClusterFile;
  const cluster = await startRabbitmqCluster({ tickTime: TICK_TIME });
  const [home, , target] = cluster.nodes;
  const console = home!.server.openConsole();
  let isUsed = false;
  after(async () => {
    await console[Symbol.asyncDispose]();
    await cluster.stop();
  });
  return {
    // Not behind each test: what the last one did to the cluster needs no mending.
    test: (name, body) =>
      test(name, async () => {
        if (isUsed) await cluster.heal();
        isUsed = true;
        await deadline(Promise.resolve(body()), LONGEST_TEST);
      }),
    ...{ cluster, console, home: home!, target: target! },
  };
}

/** Makes a broker that is connected to the home. */
export function openAtHome({ home }: ClusterFile, options: RabbitmqBrokerOptions): RabbitmqBroker {
  return new RabbitmqBroker({ url: home.server.url, ...options });
}

/**
 * Declares queues, with those that belong to them, on the node that suffers.
 *
 * @param file Where.
 * @param options The kind of queues.
 * @param queueNames Their names.
 */
export async function declareOnTarget(
  { cluster, console, target }: ClusterFile,
  options: RabbitmqBrokerOptions,
  ...queueNames: readonly string[]
): Promise<void> {
  const broker = new RabbitmqBroker({ url: target.server.url, ...options });
  for (const queueName of queueNames) {
    await broker.getQueueMessageCounts(queueName);
    if (options.queueType !== "quorum") continue;
    for (const suffix of ["", ".DQ", ".XQ"]) {
      await cluster.lead(console, queueName + suffix, target);
    }
  }
  await broker.close();
}

export { work };
