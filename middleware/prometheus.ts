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
   * The folder through which the processes of a machine add up their metrics.
   *
   * @default {"<tmp>/dramatiq-prometheus"} or `dramatiq_prom_db`
   */
  database?: string;
  /**
   * The file whose lock the process holds that serves.
   *
   * @default {"<tmp>/dramatiq-prometheus.lock"} or `dramatiq_prom_lock`
   */
  lock?: string;
  /**
   * Serves gauges of the broker as well: messages of each queue by state, the age of the first one,
   * pauses, workers, what has been running longest, and how late schedules are, as far as the broker
   * tells. They are read when metrics are requested, at most every five seconds.
   *
   * @default {false}
   */
  queueGauges?: boolean;
  /** Your own metrics to serve as well: a `Registry` of prom-client. */
  registry?: MetricsSource;
}

/** A run that has begun. */
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

/** The actor in the labels of data that names none. */
const UNDECODABLE = "(undecodable)";
const KNOWN_OPTIONS: KnownOptions<PrometheusOptions> = {
  host: true,
  port: true,
  database: true,
  lock: true,
  queueGauges: true,
  registry: true,
};
/** Python's names that are others here. */
const OTHER_SPELLINGS = {
  httpHost: "host",
  httpPort: "port",
};

/**
 * Counts what actors do, for Prometheus, under the names that Python's dramatiq uses.
 *
 * A worker process of the command line serves the metrics by itself. Several of them
 * add up: one serves the sum of all, and another takes over when it dies. In a program
 * with a worker of its own, mount {@linkcode Prometheus.metricsHandler}, or call
 * {@linkcode Prometheus.serve}.
 *
 * Each event is counted once, and gauges return to zero, which is not so in Python.
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
   * Answers a request for metrics; to be mounted in your own server. It serves what
   * this process counted, and, where {@linkcode Prometheus.serve} is at work, the sum of
   * all processes.
   *
   * @param request Any `GET`; other methods are answered with 501, as by Python.
   * @returns The metrics as text, or what went wrong, with status 500.
   */
  readonly metricsHandler: (request: Request) => Promise<Response>;
  readonly #options: PrometheusOptions;
  readonly #series: SeriesTable = new SeriesTable();
  /** The broker whose queues are counted. */
  #broker: Broker | undefined;
  #exposition: Promise<Exposition> | undefined;
  #member: Promise<Member> | undefined;
  /** Workers that run; the last one to stop ends what the command line has begun. */
  #workers = 0;
  #isBooted = false;

  /**
   * Stores the options; nothing is opened before a worker process starts.
   *
   * @param options Where to serve, and what besides.
   */
  constructor(options: PrometheusOptions = {}) {
    assertKnownOptions("Prometheus", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
    this.#options = options;
    this.metricsHandler = (request) => this.#answer(request);
  }

  /**
   * Shares metrics with the other processes of this machine, and serves them over HTTP if
   * none of those does. The command line does so in each worker process.
   *
   * @throws {RangeError} If an environment variable that it reads is not a port.
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

  /** Ends what `serve` began. The counts of this process stay in the sum. */
  async [Symbol.asyncDispose](): Promise<void> {
    const member = this.#member;
    this.#member = undefined;
    const joined = await member?.catch(() => undefined); // `serve` has told why
    await joined?.[Symbol.asyncDispose]();
  }

  /** Notes whose queues to count, and counts undecodable data of this one from zero. */
  afterDeclareQueue(broker: Broker, queueName: string): void {
    this.#broker ??= broker;
    this.#series.declare(UNDECODABLE, queueName, ZERO_REJECTS);
  }

  /** Counts what the actor does from zero. */
  afterDeclareActor(_broker: Broker, { actorName, queueName }: Actor): void {
    this.#series.declare(actorName, queueName, ZERO_COUNTERS);
  }

  /** Serves, in a process of the command line. */
  async afterProcessBoot(): Promise<void> {
    this.#isBooted = true;
    await this.serve();
  }

  /** Notes that there is a worker. */
  beforeWorkerBoot(): void {
    this.#workers += 1;
  }

  /** Ends what was begun for the process when its last worker stops. */
  async afterWorkerShutdown(): Promise<void> {
    this.#workers -= 1;
    if (this.#workers > 0) return;
    if (this.#isBooted) await this[Symbol.asyncDispose]();
    await (await this.#exposition)?.close();
  }

  /** Counts a message that begins. */
  beforeProcessMessage(broker: Broker, message: MessageProxy): void {
    // Given up while a hook was waiting: its end may be over, and then there is no other.
    if (message.interruptReason !== undefined) return;
    const series = this.#series.of(broker, message);
    series.inProgress += 1;
    series.zeros = ALL_ZEROS;
    (message as Measured)[BEGUN] = { series, at: monotonicTime(broker.clock) };
  }

  /** Counts a run that has ended. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { exception }: ProcessOutcome,
  ): void {
    const series = this.#end(broker, message);
    if (exception !== undefined && !(exception instanceof Snooze)) series.errors += 1;
  }

  /** Counts a message that was skipped or cancelled; one that was given back will be counted when it runs. */
  afterSkipMessage(
    broker: Broker,
    message: MessageProxy,
    reason: SkipMessage | WorkerLost | Cancelled,
  ): void {
    if (reason instanceof WorkerLost) return void this.#leave(message);
    const series = this.#end(broker, message);
    if (reason instanceof Cancelled) series.cancelled += 1;
  }

  /** Counts a retry or a snooze: by now it is known whether there was one. */
  beforeAck(broker: Broker, message: MessageProxy): void {
    if (message.snoozed) this.#series.of(broker, message).snoozed += 1;
    else if (message.retried) this.#series.of(broker, message).retries += 1;
  }

  /** Counts a dead letter. */
  afterNack(broker: Broker, message: MessageProxy): void {
    this.#series.of(broker, message).rejects += 1;
  }

  /** Counts data that was no message and went to the dead letters. */
  afterUndecodable(broker: Broker, { queueName }: MessageProxy): void {
    this.#series.of(broker, { actorName: UNDECODABLE, queueName }).rejects += 1;
  }

  /** Counts a delayed message that is on its way to its queue. */
  beforeDelayMessage(broker: Broker, message: MessageProxy): void {
    const series = this.#series.of(broker, message);
    series.delayed += 1;
    series.hasDelayed = true;
  }

  /** Counts it off. */
  afterDelayMessage(broker: Broker, message: MessageProxy): void {
    this.#series.of(broker, message).delayed -= 1;
  }

  /** A message that an earlier middleware skipped was not seen to begin: it took no time. */
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

  /** Made when it is needed: most processes that have this middleware only send. */
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
