import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "./free_port.ts";
import { prepareRabbitmq, type RabbitmqServer, startNameServer } from "./rabbitmq.ts";
import type { RabbitmqConsole } from "./rabbitmq_console.ts";
import type { ServerProcess } from "./server_process.ts";
import { createServerFolder } from "./test_server.ts";
import { until } from "./until.ts";

/** Options for {@linkcode startRabbitmqCluster}. */
export interface RabbitmqClusterOptions {
  /** Number of nodes. @default {3} */
  nodes?: number;
  /**
   * Settings of the application `rabbit` as for `startOwnRabbitmq`.
   *
   * @default {"{cluster_partition_handling, pause_minority}"}
   */
  config?: string;
  /**
   * Seconds of silence after which a node counts as gone (`net_ticktime`). On a machine that is
   * busy nodes are silent for seconds.
   *
   * @default {60} As RabbitMQ has it.
   */
  tickTime?: number;
}

/** A node of a cluster, and its name. */
export interface RabbitmqNode {
  /** Name in Erlang. */
  readonly name: string;
  /** Kills, pauses, stops and starts it. */
  readonly server: RabbitmqServer;
}

/** Nodes of RabbitMQ that know of each other. */
export class RabbitmqCluster implements AsyncDisposable {
  /** In the order in which they joined. */
  readonly nodes: readonly RabbitmqNode[];
  readonly #epmd: ServerProcess;
  readonly #folder: string;

  /**
   * @param nodes The nodes.
   * @param epmd Their name server.
   * @param folder Its folder.
   */
  constructor(nodes: readonly RabbitmqNode[], epmd: ServerProcess, folder: string) {
    this.nodes = nodes;
    this.#epmd = epmd;
    this.#folder = folder;
  }

  /** For clients: each node. */
  get urls(): string[] {
    return this.nodes.map(({ server }) => server.url);
  }

  /** Process ids of all that runs for it. */
  get pids(): number[] {
    const nodes = this.nodes.map(({ server }) => server.pid).filter((pid) => pid !== undefined);
    return this.#epmd.isRunning ? [...nodes, this.#epmd.pid] : nodes;
  }

  /**
   * The node that has a queue: its leader, or where a classic queue is.
   *
   * @param console Of a node that runs.
   * @param queueName The queue.
   */
  async nodeOf(console: RabbitmqConsole, queueName: string): Promise<RabbitmqNode> {
    const name = await console.evaluate(
      `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queueName}">>)),
       case amqqueue:get_pid(Q) of {_, Node} -> Node; Pid -> node(Pid) end.`,
    );
    const found = this.nodes.find((node) => node.name === name);
    if (found !== undefined) return found;
    throw new Error(`Cannot find the node of "${queueName}": it is on ${name}`);
  }

  /**
   * Waits until a node knows that a classic queue is away, whose node was stopped in good order. Until
   * then it says that the process of the queue was stopped.
   *
   * @param console Of the node.
   * @param queueName The queue.
   */
  async untilAway(console: RabbitmqConsole, queueName: string): Promise<void> {
    await until(async () =>
      await console.evaluate(
        `case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queueName}">>)) of
           {ok, Q} -> amqqueue:get_state(Q) =/= stopped;
           _ -> true end.`,
      ) === true, { what: `see "${queueName}" away`, timeout: START_TIMEOUT });
  }

  /** Makes a node the leader of a quorum queue. */
  async lead(console: RabbitmqConsole, queueName: string, node: RabbitmqNode): Promise<void> {
    await until(async () => {
      if ((await this.nodeOf(console, queueName)).name === node.name) return true;
      await console.evaluate(
        `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queueName}">>)),
         rabbit_quorum_queue:transfer_leadership(Q, '${node.name}'), true.`,
      );
      return false;
    }, { what: `make ${node.name} the leader of "${queueName}"`, timeout: START_TIMEOUT });
  }

  /**
   * Has all nodes run again, whatever was done to them. Those that the first one, which must be
   * well, does not see are killed and restarted.
   */
  async heal(): Promise<void> {
    const [home] = this.nodes;
    await using console = home!.server.openConsole();
    const running = await console.evaluate("rabbit_nodes:all_running().") as string[];
    for (const { name, server } of this.nodes) {
      server.continue();
      if (!running.includes(name)) await server.restart();
    }
    await this.untilWhole();
  }

  /** Cuts a node off from all others, whose connections they refuse; clients reach it. */
  async isolate(node: RabbitmqNode): Promise<void> {
    await this.#onOthers(node, `erlang:set_cookie('${node.name}', 'ANOTHER')`);
    await using console = node.server.openConsole();
    // All at once: nodes that see different others stop, too.
    await console.evaluate("[erlang:disconnect_node(Node) || Node <- nodes()].");
  }

  /** Ends {@linkcode isolate}. Resolves when each node sees all others. */
  async rejoin(node: RabbitmqNode): Promise<void> {
    await this.#onOthers(node, `erlang:set_cookie('${node.name}', erlang:get_cookie())`);
    await this.untilWhole();
  }

  async #onOthers(node: RabbitmqNode, expression: string): Promise<void> {
    const others = this.nodes.filter((one) => one !== node);
    await Promise.all(others.map(async ({ server }) => {
      await using console = server.openConsole();
      await console.evaluate(`${expression}.`);
    }));
  }

  /** Waits until each node sees all others, after a restart for example. */
  async untilWhole(): Promise<void> {
    for (const { server } of this.nodes) {
      // One for all looks: to start it takes far more processor time than a look.
      await using console = server.openConsole();
      await until(() => this.#isWhole(console), {
        what: `form a RabbitMQ cluster of ${this.nodes.length}`,
        timeout: START_TIMEOUT,
      });
    }
  }

  /** True if the node of a console sees all others. If not, it says so after a while: all are asked. */
  async #isWhole(console: RabbitmqConsole): Promise<boolean> {
    return await console.evaluate(
      `length(rabbit_nodes:all_running()) == ${this.nodes.length} andalso
       rabbit_node_monitor:partitions() == [] orelse begin timer:sleep(100), false end.`,
    ) === true;
  }

  /** Ends all nodes and removes their files. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
    await this.#epmd.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** As {@linkcode stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** As long as one node may take. */
const START_TIMEOUT = 60_000;
/** Setting that RabbitMQ's "Clustering and Network Partitions" guide has for three nodes. */
const PAUSE_MINORITY = "{cluster_partition_handling, pause_minority}";
/** The secret that nodes share. */
const COOKIE = "DRAMATIQ-TESTS";

/**
 * Starts a cluster on the loopback interface. The others join the first one as they start, which
 * RabbitMQ calls "classic config peer discovery".
 *
 * @param options How many nodes, and how to run them.
 */
export async function startRabbitmqCluster(
  { nodes: length = 3, config = PAUSE_MINORITY, tickTime = 60 }: RabbitmqClusterOptions = {},
): Promise<RabbitmqCluster> {
  const folder = await createServerFolder("rabbitmq-server");
  const epmdPort = await freePort();
  const epmd = await startNameServer(folder, epmdPort);
  const names = Array.from({ length }, (_, i) => `rabbit${i + 1}@localhost`);
  const members = `{cluster_nodes, {['${names[0]}'], disc}}`;
  const prepare = async (nodeName: string): Promise<RabbitmqNode> => {
    const own = await createServerFolder("rabbitmq-server");
    const cookie = join(own, ".erlang.cookie");
    await writeFile(cookie, COOKIE);
    await chmod(cookie, 0o400);
    const server = await prepareRabbitmq(own, {
      ...{ epmdPort, nodeName },
      config: [members, config].filter((part) => part !== "").join(", "),
      kernel: `{net_ticktime, ${tickTime}}`,
    });
    return { name: nodeName, server };
  };
  const cluster = new RabbitmqCluster(await Promise.all(names.map(prepare)), epmd, folder);
  try {
    const [first, ...others] = cluster.nodes;
    await first!.server.restart();
    await Promise.all(others.map(({ server }) => server.restart()));
    await cluster.untilWhole();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}
