import { EventEmitter } from "node:events";
import { assertEquals } from "@std/assert";
import type { RabbitmqConnection } from "../../../brokers/rabbitmq/connection.ts";
import { PublisherPool } from "../../../brokers/rabbitmq/publisher_pool.ts";
import type { Topology } from "../../../brokers/rabbitmq/topology.ts";
import { eventually } from "../../support/servers/until.ts";
import { withShortTimers } from "../../support/short_timers.ts";
import { test } from "../../support/test.ts";

/** Milliseconds without a confirmation after which a channel is left. */
const LONGEST_SILENCE = 5_000;

const BODY = "the body of a message";

/** A channel whose server confirms what a test wants. */
class ServerChannel extends EventEmitter {
  readonly ch = 1;
  /** Number of messages that were written to it. */
  written = 0;
  readonly model = {
    connection: {
      stream: Object.assign(new EventEmitter(), {
        write: (chunk: Uint8Array) => {
          this.written += new TextDecoder("latin1").decode(chunk).split(BODY).length - 1;
          return true;
        },
      }),
      frameMax: 4_096,
      serverProperties: {},
    },
  };

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Connection that opens channels, and says so. */
function connectionOf(opened: (channel: ServerChannel) => void): RabbitmqConnection {
  return {
    isUp: true,
    block: undefined,
    onUnblocked() {},
    whenUp: () => Promise.resolve(),
    openChannel() {
      const channel = new ServerChannel();
      opened(channel);
      return Promise.resolve({ model: channel.model, channel });
    },
  } as unknown as RabbitmqConnection;
}

test("PublisherPool has 128 messages under way at most on the channel of a stalled queue", () =>
  withShortTimers(LONGEST_SILENCE, async () => {
    const topology = {
      isDeclared: () => true,
      declare: () => Promise.resolve(),
    } as unknown as Topology;
    const send = () => void pool.publish("stalled", BODY).catch(() => {}); // it is not waited for
    const channels: ServerChannel[] = [];
    const connection = connectionOf((channel) => {
      channels.push(channel);
      if (channels.length === 2) { for (let i = 0; i < 1_000; i++) send(); }
    });
    const options = { isConfirmed: true, blockedTimeout: 600_000 };
    const pool: PublisherPool = new PublisherPool(connection, topology, options);
    // Until the queue is known to have stalled, all go on the shared channel.
    await eventually("write to a channel of its own", () => {
      send();
      return channels.length >= 2 && channels[1]!.written > 0;
    });
    assertEquals(channels[1]!.written, 128);
    await pool.close();
  }));
