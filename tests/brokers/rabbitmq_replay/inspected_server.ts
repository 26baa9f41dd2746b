import type { Buffer } from "node:buffer";
import { type Channel, type ChannelModel, connect, type GetMessage } from "amqplib";
import { type RabbitmqServer, startOwnRabbitmq } from "../../support/servers/rabbitmq.ts";
import type { QueueCounts, RabbitmqConsole } from "../../support/servers/rabbitmq_console.ts";
import type { GotMessage, ListedQueue } from "./capture.ts";

/** What `rabbitmqctl list_queues` lists. */
const LISTED = `[#{name => element(4, Name), durable => Durable, auto_delete => AutoDelete,
  exclusive => Exclusive, type => Type, policy => Policy,
  arguments => [[Key, Kind, Value] || {Key, Kind, Value} <- Arguments]} ||
  [{_, Name}, {_, Durable}, {_, AutoDelete}, {_, Exclusive}, {_, Type}, {_, Policy}, {_, Arguments}] <-
  rabbit_amqqueue:info_all(<<"/">>, [name, durable, auto_delete, exclusive, type, policy, arguments])].`;

/** A RabbitMQ, and ways to look at it that the broker under test has no part in. */
export class InspectedServer implements AsyncDisposable {
  readonly server: RabbitmqServer;
  readonly console: RabbitmqConsole;
  readonly #connection: ChannelModel;
  /** Nothing that is done here may fail, for it would close. */
  readonly channel: Channel;

  private constructor(server: RabbitmqServer, connection: ChannelModel, channel: Channel) {
    this.server = server;
    this.console = server.openConsole();
    this.#connection = connection;
    this.channel = channel;
  }

  /** Starts a server. */
  static async open(): Promise<InspectedServer> {
    const server = await startOwnRabbitmq();
    const connection = await connect(server.url);
    return new InspectedServer(server, connection, await connection.createChannel());
  }

  /** Deletes all queues. */
  async clear(): Promise<void> {
    for (const name of (await this.counts()).keys()) await this.channel.deleteQueue(name);
  }

  /** Contents of each queue. */
  counts(): Promise<Map<string, QueueCounts>> {
    return this.console.counts();
  }

  /** Opens a connection of its own to try something that may fail. */
  connect(): Promise<ChannelModel> {
    return connect(this.server.url);
  }

  /** All queues as the server describes them, by name. */
  async listQueues(): Promise<ListedQueue[]> {
    const queues = await this.console.evaluate(LISTED) as (Omit<ListedQueue, "arguments"> & {
      arguments: readonly (readonly [name: string, type: string, value: unknown])[];
    })[];
    return queues.map((queue) => ({
      ...queue,
      arguments: Object.fromEntries(
        queue.arguments.map(([name, type, value]) => [name, { type, value }]),
      ),
    })).toSorted((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Takes the first message off a queue; there must be one. */
  async get(queueName: string): Promise<GotMessage> {
    const message = await this.channel.get(queueName, { noAck: true });
    if (message === false) throw new Error(`There is no message on ${queueName}`);
    return toGotMessage(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
    await this.console[Symbol.asyncDispose]();
    await this.server.stop();
  }
}

function toGotMessage({ fields, properties, content }: GetMessage): GotMessage {
  const { exchange, routingKey, redelivered } = fields;
  const set = Object.entries(properties).filter(([, value]) => value !== undefined);
  return {
    method: { exchange, routing_key: routingKey, redelivered },
    properties: Object.fromEntries(
      set.map(([name, value]) => [toSnakeCase(name), name === "headers" ? plain(value) : value]),
    ),
    body: readText(content),
  };
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A header with its times as the capture shows them. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ((value as Record<string, unknown>)["!"] === "timestamp") return "<datetime>";
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

/** Text in which other bytes than those of UTF-8 are an error. */
function readText(content: Buffer): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(content);
}
