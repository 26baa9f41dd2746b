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
  /** Gives the broker whose workers fire schedules. */
  broker(): Broker | undefined;
  /** True to serve the gauges of the broker, too. */
  readonly hasGauges: boolean;
  /** True if this process has a worker: it will be asked for gauges again. */
  hasWorker(): boolean;
}

/** Puts together what is served. */
export class Exposition {
  readonly #series: SeriesTable;
  readonly #registry: MetricsSource | undefined;
  readonly #broker: () => Broker | undefined;
  readonly #hasGauges: boolean;
  readonly #hasWorker: () => boolean;
  /** Made for the first request: before, there may be no broker. */
  #gauges: GaugeReader | undefined;
  /** The counts of this process, made after so many changes. */
  #counts: Counts = { series: [], delayed: [], more: [] };
  #countedAt = -1;

  constructor({ series, registry, broker, hasGauges, hasWorker }: ExpositionOptions) {
    this.#broker = broker;
    this.#series = series;
    this.#registry = registry;
    this.#hasGauges = hasGauges;
    this.#hasWorker = hasWorker;
  }

  /** Closes the connection over which gauges are read, until they are read again. */
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
   * @param folder Where the metrics of other processes are; without it they are left out.
   * @returns The answer, which is an error too when there is nothing to serve.
   */
  async answer(method: string, folder: MetricsFolder | undefined): Promise<Response> {
    if (method !== "GET") return text(501, `Cannot answer ${method}: metrics are read with GET`);
    try {
      const own = await this.own();
      // Before anybody sees it: if this process died, a counter that stood higher before
      // would look like one that had started anew. If it cannot be written, `Member` tells.
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

/** Sends pieces as they are made, and a last one. */
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
