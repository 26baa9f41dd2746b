import type { ServerAddress } from "../support/servers/exchange.ts";
import { type RabbitmqServer, startOwnRabbitmq } from "../support/servers/rabbitmq.ts";
import { isNote } from "../../brokers/rabbitmq/rungs.ts";
import type { QueueCounts, RabbitmqConsole } from "../support/servers/rabbitmq_console.ts";
import type { BrokerArguments, Program, Target } from "./target.ts";

/** A RabbitMQ whose application is stopped and started under the clients. */
export class RabbitmqTarget implements Target {
  readonly name = "RabbitMQ";
  readonly restart = "stopped and started";
  readonly #server: RabbitmqServer;
  readonly #console: RabbitmqConsole;
  readonly #heartbeat: number;

  private constructor(server: RabbitmqServer, heartbeat: number) {
    this.#server = server;
    this.#console = server.openConsole();
    this.#heartbeat = heartbeat;
  }

  /**
   * Starts it.
   *
   * @param heartbeat Milliseconds after which a silent connection is ended.
   */
  static async open(heartbeat: number): Promise<RabbitmqTarget> {
    return new RabbitmqTarget(await startOwnRabbitmq(), heartbeat);
  }

  get host(): string {
    return this.#server.host;
  }

  get port(): number {
    return this.#server.port;
  }

  get folder(): string {
    return this.#server.folder;
  }

  brokerFor(_program: Program, { host, port }: ServerAddress): BrokerArguments {
    const url = `amqp://guest:guest@${host}:${port}`;
    return { kind: "rabbitmq", options: { url, heartbeat: this.#heartbeat } };
  }

  takeDown(): Promise<void> {
    return this.#server.stopApp();
  }

  bringBack(): Promise<void> {
    return this.#server.startApp();
  }

  /** Queues may stay, those of the ladder until they expire; messages of ours may not. */
  async findLeftovers(): Promise<string[]> {
    const counts = await this.#console.counts();
    return [...counts].filter(isLeftover)
      .map(([name, { ready, unacknowledged }]) => {
        return `${name}: ${ready} ready, ${unacknowledged} unacknowledged`;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#console[Symbol.asyncDispose]();
    await this.#server.stop();
  }
}

function isLeftover([name, { ready, unacknowledged }]: readonly [string, QueueCounts]): boolean {
  // A note that says that there is a ladder expires later than its rungs are used.
  return ready + unacknowledged > 0 && !isNote(name);
}
