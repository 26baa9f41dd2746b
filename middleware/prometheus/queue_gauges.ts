import type { Broker } from "../../core/broker.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { getLogger } from "../../platform/logging.ts";
import type { Metric, Sample } from "./metric.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Prometheus");

/** Milliseconds for which counts are good: several who ask cost the server no more than one. */
const MAX_AGE = 5_000;
/** Milliseconds that the server may take. Prometheus waits for ten seconds by default. */
const TIMEOUT = 2_000;

/** Messages by what they are waiting for: `ready`, `delayed`, `unacknowledged`, `dead`. */
type Counts = Readonly<Record<string, number>>;

/** Key prefix of paused queues in a control store. */
const PAUSED_PREFIX = "pause/queue/";

/** Gauges of the queues of a broker. */
interface QueueSamples {
  readonly messages: readonly Sample[];
  /** 1 for a queue that is paused; none where the broker has no control store. */
  readonly paused: readonly Sample[];
}

const NO_SAMPLES: QueueSamples = { messages: [], paused: [] };

/** A broker that can tell what its queues hold. */
interface CountingBroker {
  getQueueMessageCounts(queueName: string): Promise<object>;
}

/**
 * Message counts of a broker's queues, read on demand.
 *
 * Those are numbers of the server, the same for all processes: they are read where they
 * are served, and are in nobody's file.
 */
export class QueueGauges {
  readonly #queuesOf: () => Broker | undefined;
  #readAt = -Infinity;
  #samples: Promise<QueueSamples> = Promise.resolve(NO_SAMPLES);
  #isOut = false;

  /** @param queuesOf Gives the broker, if its queues are to be counted. */
  constructor(queuesOf: () => Broker | undefined) {
    this.#queuesOf = queuesOf;
  }

  /** @returns The gauges; none when the broker cannot tell, or not in time. */
  async read(): Promise<Metric[]> {
    const broker = this.#queuesOf();
    if (broker === undefined || !canCount(broker)) return [];
    const now = performance.now();
    if (now - this.#readAt >= MAX_AGE) {
      this.#readAt = now;
      this.#samples = this.#readInTime(broker);
    }
    const { messages, paused } = await this.#samples;
    const gauges: Metric[] = [{
      name: "dramatiq_queue_messages",
      help: "Messages of a queue by state, as the broker counts them",
      type: "gauge",
      aggregator: "sum",
      values: messages,
    }];
    if (paused.length === 0) return gauges;
    return [...gauges, {
      name: "dramatiq_queue_paused",
      help: "1 for a queue that is paused, 0 for the others",
      type: "gauge",
      aggregator: "sum",
      values: paused,
    }];
  }

  /** Never rejects: what else there is to tell does not wait for the broker's server. */
  async #readInTime(broker: Broker & CountingBroker): Promise<QueueSamples> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`The broker has not answered within ${TIMEOUT} ms`)),
      TIMEOUT,
    );
    try {
      const samples = await Promise.race([readAll(broker), late]);
      if (this.#isOut) log.info("Reading the counts of queues again");
      this.#isOut = false;
      return samples;
    } catch (error) {
      if (!this.#isOut) {
        log.warn("Stopped serving the counts of queues: {reason}", {
          reason: errorMessage(error),
          error,
        });
      }
      this.#isOut = true;
      return NO_SAMPLES;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function readAll(broker: Broker & CountingBroker): Promise<QueueSamples> {
  const [messages, paused] = await Promise.all([readMessages(broker), readPaused(broker)]);
  return { messages, paused };
}

async function readPaused({ controlStore, queues }: Broker): Promise<readonly Sample[]> {
  if (controlStore === undefined) return [];
  const { entries } = await controlStore.read(PAUSED_PREFIX);
  const paused = new Set(entries.map(({ key }) => key.slice(PAUSED_PREFIX.length)));
  return Array.from(queues, (queueName) => ({
    value: paused.has(queueName) ? 1 : 0,
    labels: { queue_name: queueName },
  }));
}

async function readMessages(broker: Broker & CountingBroker): Promise<readonly Sample[]> {
  const queues = await Promise.all(
    Array.from(broker.queues, async (queueName) => {
      const counts = await broker.getQueueMessageCounts(queueName) as Counts;
      return Object.entries(counts).map(([state, value]) => ({
        value,
        labels: { queue_name: queueName, state },
      }));
    }),
  );
  return queues.flat();
}

function canCount(broker: Broker): broker is Broker & CountingBroker {
  return typeof (broker as Partial<CountingBroker>).getQueueMessageCounts === "function";
}
