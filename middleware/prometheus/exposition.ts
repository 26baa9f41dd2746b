import type { Broker } from "../../core/broker.ts";
import { GaugeReader } from "../../control/gauge_reader.ts";
import { gaugesText } from "../../platform/gauges.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { type Counts, countsOf, sumOf } from "./counts.ts";
import { expositionOf } from "./families.ts";
import type { MetricsFolder } from "./folder.ts";
import type { Metric, MetricsSource } from "./metric.ts";
import { sum } from "./prom_client.ts";
import { duplicateMetrics } from "./duplicate_metrics.ts";
import { scheduleMetrics } from "./schedule_metrics.ts";
import type { SeriesTable } from "./series.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Prometheus");

/** Options of an exposition. */
export interface ExpositionOptions {
  /** The counts of this process. */
  readonly series: SeriesTable;
  /** More metrics of this process. */
  readonly registry: MetricsSource | undefined;
  /** Returns the broker whose workers fire schedules. */
  broker(): Broker | undefined;
  /** True to serve the gauges of the broker, too. */
  readonly hasGauges: boolean;
  /** True if this process has a worker: the gauges will be requested again. */
  hasWorker(): boolean;
}

/** Composes the text that is served. */
export class Exposition {
  readonly #series: SeriesTable;
  readonly #registry: MetricsSource | undefined;
  readonly #broker: () => Broker | undefined;
  readonly #hasGauges: boolean;
  readonly #hasWorker: () => boolean;
  /** Created at the first request: before, there may be no broker. */
  #gauges: GaugeReader | undefined;
  /** The counts of this process, and the number of changes that they include. */
  #counts: Counts = { series: [], delayed: [], more: [] };
  #countedAt = -1;

  constructor({ series, registry, broker, hasGauges, hasWorker }: ExpositionOptions) {
    this.#broker = broker;
    this.#series = series;
    this.#registry = registry;
    this.#hasGauges = hasGauges;
    this.#hasWorker = hasWorker;
  }

  /** Closes the connection that reads gauges; the next read opens it again. */
  async close(): Promise<void> {
    await this.#gauges?.close();
  }

  /** @returns The counts of this process; the same object while nothing has changed. */
  async own(): Promise<Counts> {
    const registered = await this.#registry?.getMetricsAsJSON() as Metric[] | undefined;
    const broker = this.#broker();
    const fired = [
      ...scheduleMetrics(broker?.schedules.counts ?? new Map()),
      ...duplicateMetrics(broker?.claims?.duplicates),
    ];
    const more = fired.length === 0 ? registered : [...registered ?? [], ...fired];
    const { all, changes } = this.#series;
    if (changes !== this.#countedAt) this.#counts = countsOf(all, []);
    this.#countedAt = changes;
    return more === undefined ? this.#counts : { ...this.#counts, more };
  }

  /**
   * Answers a request for metrics.
   *
   * Source of status codes and headers: `exposition` in `tests/vectors/metrics.json`.
   *
   * @param method The method of the request.
   * @param folder The metrics of other processes; without it they are left out.
   * @returns The answer; an error if there is nothing to serve.
   */
  async answer(method: string, folder: MetricsFolder | undefined): Promise<Response> {
    if (method !== "GET") return text(501, `Cannot answer ${method}: metrics are read with GET`);
    try {
      const own = await this.own();
      // Store before serving: if this process died with counts that only the scraper saw, the
      // lower counter would look like a reset. `Member` logs a failure to write.
      await folder?.write(own).catch(() => {});
      const total = await sumOf([own, ...await folder?.readOthers() ?? []]);
      const others = await sum([total.more]);
      const tail = await others.metrics() + await this.#gaugesText();
      const pieces = expositionOf(total.series, total.delayed);
      return new Response(streamOf(pieces, tail), {
        status: 200,
        headers: { "content-type": others.contentType },
      });
    } catch (error) {
      log.error("Cannot serve metrics: {reason}", { reason: errorMessage(error), error });
      return text(500, errorMessage(error));
    }
  }

  async #gaugesText(): Promise<string> {
    const broker = this.#broker();
    if (!this.#hasGauges || broker === undefined) return "";
    this.#gauges ??= new GaugeReader(broker, { keepsOpen: this.#hasWorker });
    return gaugesText(await this.#gauges.read());
  }
}

/** Streams pieces as they are made, then a last one. */
function streamOf(
  pieces: AsyncGenerator<string, void, undefined>,
  tail: string,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller): Promise<void> {
      const { done, value } = await pieces.next();
      controller.enqueue(encoder.encode(done === true ? tail : value));
      if (done === true) controller.close();
    },
  });
}

function text(status: number, body: string, contentType = "text/plain; charset=utf-8"): Response {
  return new Response(body, { status, headers: { "content-type": contentType } });
}
