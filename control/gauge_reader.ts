import type { Broker } from "../core/broker.ts";
import { BrokerConnectionError } from "../core/errors.ts";
import type { Inspector } from "../core/inspection.ts";
import type { Gauge } from "../platform/gauges.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import { canCount, readGauges } from "./broker_gauges.ts";

const log = /* @__PURE__ */ getLogger("metrics");

/** Milliseconds for which gauges are served again: many scrapes cost the server no more than one. */
const MAX_AGE = 5_000;
/** Milliseconds that the server may take. Prometheus waits for ten seconds by default. */
const TIMEOUT = 2_000;

/** Options of a {@linkcode GaugeReader}. */
export interface GaugeReaderOptions {
  /** An inspector that others use, too, and close. @default {undefined} It opens its own. */
  readonly inspector?: Inspector;
  /**
   * True to leave its own inspector open after a reading, for the next one, until `close`.
   *
   * @default {() => false}
   */
  keepsOpen?(): boolean;
}

/**
 * Reads the gauges of a broker when they are asked for, at most once in five seconds. They are numbers
 * of the server, the same in all processes.
 */
export class GaugeReader {
  readonly #broker: Broker;
  readonly #options: GaugeReaderOptions;
  #own: Inspector | undefined;
  #readAt = -Infinity;
  #gauges: Promise<readonly Gauge[]> = Promise.resolve([]);
  /** When the server stopped answering, by `performance.now()`. */
  #lostAt: number | undefined;

  /**
   * Stores the broker.
   *
   * @param broker The broker.
   * @param options Its inspector.
   */
  constructor(broker: Broker, options: GaugeReaderOptions = {}) {
    this.#broker = broker;
    this.#options = options;
  }

  /**
   * Reads the gauges. Never rejects.
   *
   * @returns The gauges; `dramatiq_broker_up` alone if the server does not answer in time; none if the
   *   broker can neither be inspected nor count messages.
   */
  async read(): Promise<readonly Gauge[]> {
    const now = performance.now();
    if (now - this.#readAt >= MAX_AGE) {
      this.#readAt = now;
      this.#gauges = this.#readInTime();
    }
    return await this.#gauges;
  }

  /** Closes its own inspector. */
  async close(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    await own?.[Symbol.asyncDispose]();
  }

  async #readInTime(): Promise<readonly Gauge[]> {
    const aborter = new AbortController();
    const { signal } = aborter;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new Late(`the broker has not answered within ${TIMEOUT} ms`);
      reject(error);
      aborter.abort(error);
    }, TIMEOUT);
    let inspector: Inspector | undefined;
    try {
      inspector = this.#inspector();
      if (inspector === undefined && !canCount(this.#broker)) return [];
      let isWhole = true;
      const leftOut = (error: unknown): undefined => {
        if (signal.aborted) return; // the whole reading has failed
        isWhole = false;
        this.#noteFailure("some gauges", error);
      };
      const reading = readGauges(this.#broker, inspector, { signal, leftOut });
      const gauges = await Promise.race([reading, late]);
      if (isWhole) this.#noteAnswer();
      return [upGauge(1), ...gauges];
    } catch (error) {
      const isOwn = inspector !== undefined && this.#options.inspector === undefined;
      if (isOwn && this.#own !== inspector) return []; // it was closed meanwhile
      this.#noteFailure("the gauges", error);
      // An error of another kind, such as a missing permission, is an answer.
      const isDown = error instanceof Late || error instanceof BrokerConnectionError;
      return [upGauge(isDown ? 0 : 1)];
    } finally {
      clearTimeout(timer);
      if (this.#options.keepsOpen?.() !== true) await this.#closeSoon();
    }
  }

  /** A server that does not answer may not answer that either. */
  async #closeSoon(): Promise<void> {
    const closing = this.close().catch(() => {});
    if (this.#lostAt === undefined) await closing;
  }

  #inspector(): Inspector | undefined {
    const { inspector } = this.#options;
    if (inspector !== undefined) return inspector;
    try {
      return this.#own ??= this.#broker.inspect();
    } catch (error) {
      if (error instanceof TypeError) return undefined; // it has none
      throw error;
    }
  }

  #noteAnswer(): void {
    if (this.#lostAt === undefined) return;
    const seconds = ((performance.now() - this.#lostAt) / 1_000).toFixed(1);
    this.#lostAt = undefined;
    log.info("Reading the gauges of the broker again after {seconds} s", { seconds });
  }

  #noteFailure(what: string, error: unknown): void {
    if (this.#lostAt !== undefined) return;
    this.#lostAt = performance.now();
    log.warn("Failed to read {what} of the broker: {reason}", {
      what,
      reason: errorMessage(error),
      error,
    });
  }
}

/** The server took too long. */
class Late extends Error {}

function upGauge(value: 0 | 1): Gauge {
  return {
    name: "dramatiq_broker_up",
    help: "1 if the broker answers",
    samples: [{ value, labels: {} }],
  };
}
