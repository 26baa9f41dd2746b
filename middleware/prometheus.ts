import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { monotonicTime } from "../platform/clock.ts";
import { Snooze } from "../core/snooze.ts";
import { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware, ProcessOutcome, SkipMessage } from "../core/middleware.ts";
import type { Exposition } from "./prometheus/exposition.ts";
import type { Member } from "./prometheus/member.ts";
import type { MetricsSource } from "./prometheus/metric.ts";
import {
  ALL_ZEROS,
  type Series,
  SeriesTable,
  ZERO_COUNTERS,
  ZERO_REJECTS,
} from "./prometheus/series.ts";

export type { MetricsSource } from "./prometheus/metric.ts";

/** Options for {@linkcode Prometheus}. */
export interface PrometheusOptions {
  /** The address to listen on. @default {"0.0.0.0"} or `dramatiq_prom_host` */
  host?: string;
  /** The port; 0 for any that is free. @default {9191} or `dramatiq_prom_port` */
  port?: number;
  /**
   * Folder that the processes of a machine share, to serve the sum of their metrics.
   *
   * @default {"<tmp>/dramatiq-prometheus"} or `dramatiq_prom_db`
   */
  database?: string;
  /**
   * File that the serving process locks.
   *
   * @default {"<tmp>/dramatiq-prometheus.lock"} or `dramatiq_prom_lock`
   */
  lock?: string;
  /**
   * Serves gauges of the broker, too, as far as it supports them: messages of each queue by state, the
   * age of the first one, pauses, workers, the longest run, and the delay of schedules. They are read
   * when metrics are requested, at most every five seconds.
   *
   * @default {false}
   */
  queueGauges?: boolean;
  /** Your own metrics to serve as well: a `Registry` of prom-client. */
  registry?: MetricsSource;
}

/** A run of an actor. */
interface Begun {
  readonly series: Series;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Property of a message with that; a `Map` would cost Bun a microsecond. */
const BEGUN: unique symbol = /* @__PURE__ */ Symbol("begun");

/** A message that is being measured. */
interface Measured extends MessageProxy {
  [BEGUN]?: Begun | undefined;
}

/** Label `actor` of undecodable data. */
const UNDECODABLE = "(undecodable)";
const KNOWN_OPTIONS: KnownOptions<PrometheusOptions> = {
  host: "string",
  port: "number",
  database: "string",
  lock: "string",
  queueGauges: "boolean",
  registry: true,
};
/** Names of options in Python that differ here. */
const OTHER_SPELLINGS = {
  httpHost: "host",
  httpPort: "port",
};

/**
 * Counts what actors do, for Prometheus, under the names of Python's dramatiq.
 *
 * Worker processes of the command line serve the metrics without further code: one process serves the sum
 * of all, and another one takes over when it dies. In a program with its own worker, mount
 * {@linkcode Prometheus.metricsHandler}, or call {@linkcode Prometheus.serve}.
 *
 * Unlike in Python, each event is counted once, and gauges return to zero.
 * Needs the package `prom-client`, which is loaded when metrics are served.
 *
 * Source of names, labels and buckets: `tests/vectors/metrics.json`.
 *
 * @example Metrics of a worker inside a web server
 * ```ts
 * import { defaultMiddleware, Prometheus, StubBroker } from "@dq/dramatiq";
 *
 * const prometheus = new Prometheus();
 * const broker = new StubBroker({ middleware: [prometheus, ...defaultMiddleware()] });
 *
 * const response = await prometheus.metricsHandler(new Request("http://localhost/metrics"));
 * console.log(await response.text());
 * await broker.close();
 * ```
 */
export class Prometheus implements Middleware, AsyncDisposable {
  /**
   * Handler for requests for metrics, to mount in your own server. It serves the metrics of this process,
   * or, after {@linkcode Prometheus.serve}, the sum of all processes.
   *
   * @param request Any `GET` request; for other methods the status is 501, as in Python.
   * @returns The metrics as text, or the error, with status 500.
   */
  readonly metricsHandler: (request: Request) => Promise<Response>;
  readonly #options: PrometheusOptions;
  readonly #series: SeriesTable = new SeriesTable();
  /** The broker whose queues are counted. */
  #broker: Broker | undefined;
  #exposition: Promise<Exposition> | undefined;
  #member: Promise<Member> | undefined;
  /** Running workers; when the last one stops, a process of the command line stops serving. */
  #workers = 0;
  #isBooted = false;

  /**
   * Stores the options.
   *
   * @param options The address, and further metrics to serve.
   * @throws {TypeError} If an option is unknown, or of the wrong type.
   */
  constructor(options: PrometheusOptions = {}) {
    assertKnownOptions("Prometheus", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
    this.#options = options;
    this.metricsHandler = (request) => this.#answer(request);
  }

  /**
   * Shares metrics with the other processes of this machine, and serves them over HTTP unless another
   * process does. The command line calls it in each worker process.
   *
   * @throws {RangeError} If the port in the environment is not valid.
   * @throws {TypeError} If prom-client is not installed.
   * @throws If the folder for the metrics cannot be written.
   */
  async serve(): Promise<void> {
    this.#member ??= this.#join();
    try {
      await this.#member;
    } catch (error) {
      this.#member = undefined;
      throw error;
    }
  }

  /** Ends `serve`. The counts of this process stay in the sum. */
  async [Symbol.asyncDispose](): Promise<void> {
    const member = this.#member;
    this.#member = undefined;
    const joined = await member?.catch(() => undefined); // `serve` has reported it
    await joined?.[Symbol.asyncDispose]();
  }

  /** Notes the broker, and serves zero undecodable messages for the queue. */
  afterDeclareQueue(broker: Broker, queueName: string): void {
    this.#broker ??= broker;
    this.#series.declare(UNDECODABLE, queueName, ZERO_REJECTS);
  }

  /** Serves zeros for the actor. */
  afterDeclareActor(_broker: Broker, { actorName, queueName }: Actor): void {
    this.#series.declare(actorName, queueName, ZERO_COUNTERS);
  }

  /** Calls `serve`, in a process of the command line. */
  async afterProcessBoot(): Promise<void> {
    this.#isBooted = true;
    await this.serve();
  }

  /** Counts a worker. */
  beforeWorkerBoot(): void {
    this.#workers += 1;
  }

  /** Ends `serve` when the last worker has stopped. */
  async afterWorkerShutdown(): Promise<void> {
    this.#workers -= 1;
    if (this.#workers > 0) return;
    if (this.#isBooted) await this[Symbol.asyncDispose]();
    await (await this.#exposition)?.close();
  }

  /** Counts a message in progress. */
  beforeProcessMessage(broker: Broker, message: MessageProxy): void {
    // Abandoned during a hook: the hook for its end may have been called before.
    if (message.interruptReason !== undefined) return;
    const series = this.#series.of(broker, message);
    series.inProgress += 1;
    series.zeros = ALL_ZEROS;
    (message as Measured)[BEGUN] = { series, at: monotonicTime(broker.clock) };
  }

  /** Counts a finished run. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { exception }: ProcessOutcome,
  ): void {
    const series = this.#end(broker, message);
    if (exception !== undefined && !(exception instanceof Snooze)) series.errors += 1;
  }

  /** Counts a skipped or cancelled message, but not a requeued one, which runs again. */
  afterSkipMessage(
    broker: Broker,
    message: MessageProxy,
    reason: SkipMessage | WorkerLost | Cancelled,
  ): void {
    if (reason instanceof WorkerLost) return void this.#leave(message);
    const series = this.#end(broker, message);
    if (reason instanceof Cancelled) series.cancelled += 1;
  }

  /** Counts a retry or a snooze. */
  beforeAck(broker: Broker, message: MessageProxy): void {
    if (message.snoozed) this.#series.of(broker, message).snoozed += 1;
    else if (message.retried) this.#series.of(broker, message).retries += 1;
  }

  /** Counts a dead letter. */
  afterNack(broker: Broker, message: MessageProxy): void {
    this.#series.of(broker, message).rejects += 1;
  }

  /** Counts undecodable data that was dead-lettered. */
  afterUndecodable(broker: Broker, { queueName }: MessageProxy): void {
    this.#series.of(broker, { actorName: UNDECODABLE, queueName }).rejects += 1;
  }

  /** Counts a delayed message that is being moved to its queue. */
  beforeDelayMessage(broker: Broker, message: MessageProxy): void {
    const series = this.#series.of(broker, message);
    series.delayed += 1;
    series.hasDelayed = true;
  }

  /** Ends the count of a delayed message. */
  afterDelayMessage(broker: Broker, message: MessageProxy): void {
    this.#series.of(broker, message).delayed -= 1;
  }

  /** A message that an earlier middleware skipped has no start: its duration is 0. */
  #end(broker: Broker, message: MessageProxy): Series {
    const begun = this.#leave(message);
    const series = begun?.series ?? this.#series.of(broker, message);
    series.ended(begun === undefined ? 0 : monotonicTime(broker.clock) - begun.at);
    return series;
  }

  #leave(message: Measured): Begun | undefined {
    const begun = message[BEGUN];
    if (begun === undefined) return undefined;
    message[BEGUN] = undefined;
    begun.series.inProgress -= 1;
    this.#series.changes += 1;
    return begun;
  }

  async #answer({ method }: Request): Promise<Response> {
    const exposition = await this.#getExposition();
    const member = await this.#member?.catch(() => undefined);
    return await exposition.answer(method, member?.folder);
  }

  async #join(): Promise<Member> {
    const { toMetricsSettings } = await import("./prometheus/settings.ts");
    const { Member } = await import("./prometheus/member.ts");
    return await Member.join(toMetricsSettings(this.#options), await this.#getExposition());
  }

  /** Made when first needed: most processes with this middleware only send. */
  #getExposition(): Promise<Exposition> {
    return this.#exposition ??= import("./prometheus/exposition.ts").then(({ Exposition }) =>
      new Exposition({
        series: this.#series,
        registry: this.#options.registry,
        broker: () => this.#broker,
        hasGauges: this.#options.queueGauges === true,
        hasWorker: () => this.#workers > 0,
      })
    );
  }
}
