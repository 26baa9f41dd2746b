/**
 * A good hand-written client with amqplib and the same queue, as a contestant
 * of bench/rabbitmq.ts: no actors, no middleware, no retries, no recovery.
 *
 * Arguments: `json` has it make and read the messages; without, they are made before the
 * clock starts, and only the number is looked for. `together` has it acknowledge all that
 * came in one turn of the event loop at once.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import process from "node:process";
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import type { Contestant, Crew, CrewSize } from "../contest/contestant.ts";
import { type Assignment, QUEUE, type SendMode } from "./assignment.ts";
import { measureContestant } from "./measure_contestant.ts";

const BEFORE_INDEX = `{"queue_name":"${QUEUE}","actor_name":"noop","args":[`;
const MESSAGE = { persistent: true, mandatory: true };

class BareContestant implements Contestant<SendMode> {
  /** As ours: one connection to publish, one to consume. */
  readonly #connections: readonly [ChannelModel, ChannelModel];
  readonly #channel: ConfirmChannel;
  readonly #readsJson: boolean;
  readonly #acksTogether: boolean;
  #prepared: Buffer[] = [];

  private constructor(
    connections: readonly [ChannelModel, ChannelModel],
    channel: ConfirmChannel,
    args: readonly string[],
  ) {
    this.#connections = connections;
    this.#channel = channel;
    this.#readsJson = args.includes("json");
    this.#acksTogether = args.includes("together");
  }

  static async open({ url }: Assignment, args: readonly string[]): Promise<BareContestant> {
    const connections = [await connect(url), await connect(url)] as const;
    return new BareContestant(connections, await connections[0].createConfirmChannel(), args);
  }

  prepare(messages: number): void {
    if (this.#readsJson) return;
    this.#prepared = Array.from({ length: messages }, (_, i) => write(i));
  }

  async send(mode: SendMode, messages: number): Promise<void> {
    if (mode === "serial") {
      for (let i = 0; i < messages; i++) await new Promise((resolve) => this.#publish(i, resolve));
      return;
    }
    for (let i = 0; i < messages; i++) {
      if (!this.#publish(i, failOnNack)) await once(this.#channel, "drain");
    }
    await this.#channel.waitForConfirms();
  }

  async hire({ prefetch = 16 }: CrewSize, ran: (index: number) => void): Promise<Crew> {
    const channel = await this.#connections[1].createChannel();
    await channel.prefetch(prefetch);
    const onMessage = this.#acksTogether
      ? this.#acking(channel, ran)
      : this.#ackingEach(channel, ran);
    return {
      start: async () => {
        await channel.consume(QUEUE, onMessage);
      },
      settled: async () => {
        await new Promise((resolve) => setImmediate(resolve)); // The last acknowledgement.
        await channel.checkQueue(QUEUE); // It is through.
      },
      close: () => channel.close(),
    };
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) await connection.close();
  }

  #publish(index: number, confirmed: (error: unknown) => void): boolean {
    const content = this.#readsJson ? write(index) : this.#prepared[index]!;
    return this.#channel.sendToQueue(QUEUE, content, MESSAGE, confirmed);
  }

  #ackingEach(channel: Channel, ran: (index: number) => void) {
    return (message: { content: Buffer } | null) => {
      ran(this.#indexOf(message!.content));
      channel.ack(message as never);
    };
  }

  #acking(channel: Channel, ran: (index: number) => void) {
    let last: unknown;
    return (message: { content: Buffer } | null) => {
      ran(this.#indexOf(message!.content));
      if (last === undefined) {
        setImmediate(() => {
          channel.ack(last as never, true);
          last = undefined;
        });
      }
      last = message;
    };
  }

  #indexOf(content: Buffer): number {
    if (this.#readsJson) return JSON.parse(content.toString()).args[0];
    return Number.parseInt(
      content.toString("latin1", BEFORE_INDEX.length, BEFORE_INDEX.length + 8),
    );
  }
}

function failOnNack(error: unknown): void {
  if (error) throw new Error("Cannot publish: the server has refused a message");
}

/** A message, as long as ours. */
function write(index: number): Buffer {
  return Buffer.from(JSON.stringify({
    queue_name: QUEUE,
    actor_name: "noop",
    args: [index],
    kwargs: {},
    options: {},
    message_id: crypto.randomUUID(),
    message_timestamp: Date.now(),
  }));
}

const args = process.argv.slice(2, -1);
await measureContestant((assignment) => BareContestant.open(assignment, args));
