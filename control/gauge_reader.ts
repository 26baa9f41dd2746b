import type { Broker } from "../core/broker.ts";
import { BrokerConnectionError } from "../core/errors.ts";
import type { Inspector } from "../core/inspection.ts";
import { inspectorOf } from "../core/inspector_of.ts";
import type { Gauge } from "../platform/gauges.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import { canCount, readGauges } from "./broker_gauges.ts";

const log = /* @__PURE__ */ getLogger("metrics");

/** Milliseconds for which a reading is reused, so that frequent scrapes do not load the server. */
const MAX_AGE = 5_000;
/** Milliseconds that the server may take by default. */
const TIMEOUT = 2_000;

/** Options of a {@linkcode GaugeReader}. */
export interface GaugeReaderOptions {
  /** A shared inspector, which the caller closes. @default {undefined} It opens its own. */
  readonly inspector?: Inspector;
  /**
   * True to keep its own inspector open between readings, until `close`.
   *
   * @default {() => false}
   */
  keepsOpen?(): boolean;
  /**
   * Milliseconds that the server may take. Prometheus waits for ten seconds by default.
   *
   * @default {2_000}
   */
  readonly timeout?: number;
}

/**
 * Reads the gauges of a broker on demand, at most once in five seconds. The values are those of the
 * server, so all processes serve the same.
 */
export class GaugeReader {
  readonly #broker: Broker;
  readonly #options: GaugeReaderOptions;
  readonly #timeout: number;
  #own: Inspector | undefined;
  #readAt = -Infinity;
  #gauges: Promise<readonly Gauge[]> = Promise.resolve([]);
  /** Number of parts of readings that have not settled, also of readings that have timed out. */
  #unsettled = 0;
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
    this.#timeout = options.timeout ?? TIMEOUT;
  }

  /**
   * Reads the gauges. Never rejects.
   *
   * @returns The gauges; `dramatiq_broker_up` alone if the server does not answer in time; none if
   *   the broker can neither be inspected nor count messages.
   */
  async read(): Promise<readonly Gauge[]> {
    const now = performance.now();
    if (now - this.#readAt >= MAX_AGE && this.#unsettled === 0) {
      this.#readAt = now;
      this.#gauges = this.#readInTime();
    }
    return await this.#gauges;
  }

  /** Closes its own inspector, and waits for that no longer than the timeout. */
  async close(): Promise<void> {
    const own = this.#own;
    if (own === undefined) return;
    this.#own = undefined;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#timeout);
    try {
      await Promise.race([own[Symbol.asyncDispose](), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #readInTime(): Promise<readonly Gauge[]> {
    const aborter = new AbortController();
    const { signal } = aborter;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new ReadTimeout(`the broker has not answered within ${this.#timeout} ms`);
      reject(error);
      aborter.abort(error);
    }, this.#timeout);
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
      const options = { signal, leftOut, track: (part: Promise<unknown>) => this.#track(part) };
      const gauges = await Promise.race([readGauges(this.#broker, inspector, options), late]);
      if (isWhole) this.#noteAnswer();
      return [upGauge(1), ...gauges];
    } catch (error) {
      aborter.abort(error); // ends the other parts
      const isOwn = inspector !== undefined && this.#options.inspector === undefined;
      if (isOwn && this.#own !== inspector) return []; // it was closed meanwhile
      this.#noteFailure("the gauges", error);
      // With any other error, such as a missing permission, the server has answered.
      const isDown = error instanceof ReadTimeout || error instanceof BrokerConnectionError;
      return [upGauge(isDown ? 0 : 1)];
    } finally {
      clearTimeout(timer);
      if (this.#options.keepsOpen?.() !== true) await this.#closeSoon();
    }
  }

  /**
   * Counts unsettled parts. Control stores take no signal, so readings could pile up on a dead
   * server.
   */
  #track(part: Promise<unknown>): void {
    this.#unsettled += 1;
    const settled = () => void (this.#unsettled -= 1);
    part.then(settled, settled);
  }

  /** Closes its own inspector; does not wait for that during an outage. */
  async #closeSoon(): Promise<void> {
    const closing = this.close().catch(() => {});
    if (this.#lostAt === undefined) await closing;
  }

  #inspector(): Inspector | undefined {
    const { inspector } = this.#options;
    if (inspector !== undefined) return inspector;
    return this.#own ??= inspectorOf(this.#broker);
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

/** The server did not answer in time. */
class ReadTimeout extends Error {}

function upGauge(value: 0 | 1): Gauge {
  return {
    name: "dramatiq_broker_up",
    help: "1 if the broker answers",
    samples: [{ value, labels: {} }],
  };
}
