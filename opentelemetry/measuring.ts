import {
  type Counter,
  createNoopMeter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
} from "@opentelemetry/api";
import { VERSION } from "../platform/version.ts";
import { reportFailure } from "./guard.ts";
import { SCOPE } from "./tracing.ts";

/**
 * Bucket bounds in seconds: those of the semantic conventions, and more for long-running actors.
 */
const BOUNDS = [
  0.005,
  0.01,
  0.025,
  0.05,
  0.075,
  0.1,
  0.25,
  0.5,
  0.75,
  1,
  2.5,
  5,
  7.5,
  10,
  30,
  60,
  300,
  900,
];

/** The instruments of a meter. */
export interface Instruments {
  /** Messages sent. */
  readonly sent: Counter;
  /** Messages given to actors. */
  readonly consumed: Counter;
  /** Durations of sending. */
  readonly operations: Histogram;
  /** Durations of processing. */
  readonly processing: Histogram;
  /** Retries. */
  readonly retried: Counter;
  /** Dead letters. */
  readonly dead: Counter;
}

/** The instruments of the meter provider that is registered at present. */
export class Measuring {
  readonly #given: MeterProvider | undefined;
  /** The provider of `#instruments`. */
  #provider: MeterProvider | undefined;
  #instruments: Instruments | undefined;

  constructor(given: MeterProvider | undefined) {
    this.#given = given;
  }

  /** The provider. The global one may be a no-op until an SDK is registered. */
  get provider(): MeterProvider {
    return this.#given ?? metrics.getMeterProvider();
  }

  /** The instruments; `undefined` while no SDK is registered. */
  get instruments(): Instruments | undefined {
    try {
      const { provider } = this;
      if (provider === this.#provider) return this.#instruments;
      this.#provider = provider;
      this.#instruments = undefined;
      const meter = provider.getMeter(SCOPE, VERSION);
      return this.#instruments = meter === createNoopMeter() ? undefined : instrumentsOf(meter);
    } catch (error) {
      reportFailure("make the metrics", error);
      return undefined;
    }
  }
}

function instrumentsOf(meter: Meter): Instruments {
  const count = (name: string, description: string) =>
    meter.createCounter(name, { unit: "{message}", description });
  const time = (name: string, description: string) =>
    meter.createHistogram(name, {
      unit: "s",
      description,
      advice: { explicitBucketBoundaries: BOUNDS },
    });
  return {
    sent: count("messaging.client.sent.messages", "Messages sent"),
    consumed: count("messaging.client.consumed.messages", "Messages given to actors"),
    operations: time("messaging.client.operation.duration", "Duration of sending"),
    processing: time("messaging.process.duration", "Duration of an attempt, with its hooks"),
    retried: count("dramatiq.messages.retried", "Failed messages that run again"),
    dead: count("dramatiq.messages.dead", "Messages that went to the dead letters"),
  };
}
