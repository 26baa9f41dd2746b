import type { Broker } from "../../core/broker.ts";
import { errorMessage } from "../../core/thrown.ts";
import { getLogger } from "../../core/logging.ts";
import { toMetrics } from "./families.ts";
import type { MetricsFolder } from "./folder.ts";
import type { Metric, MetricsSource } from "./metric.ts";
import { sum } from "./prom_client.ts";
import { QueueGauges } from "./queue_gauges.ts";
import type { SeriesTable } from "./series.ts";

const log = getLogger("middleware", "Prometheus");

/** What there is to serve. */
export interface ExpositionOptions {
  /** The counts of this process. */
  readonly series: SeriesTable;
  /** More metrics of this process. */
  readonly registry: MetricsSource | undefined;
  /** Gives the broker whose queues are to be counted, if any. */
  queuesOf(): Broker | undefined;
}

/** Puts together what is served. */
export class Exposition {
  readonly #series: SeriesTable;
  readonly #registry: MetricsSource | undefined;
  readonly #queueGauges: QueueGauges;
  /** What this process has counted, made after so many changes. */
  #counted: readonly Metric[] = [];
  #countedAt = -1;

  /** @param options What there is to serve. */
  constructor({ series, registry, queuesOf }: ExpositionOptions) {
    this.#series = series;
    this.#registry = registry;
    this.#queueGauges = new QueueGauges(queuesOf);
  }

  /** @returns What this process has counted; the same list while nothing has changed. */
  async own(): Promise<readonly Metric[]> {
    const more = await this.#registry?.getMetricsAsJSON() as Metric[] | undefined;
    const { all, changes } = this.#series;
    if (changes !== this.#countedAt) this.#counted = toMetrics(all);
    this.#countedAt = changes;
    return more === undefined ? this.#counted : [...this.#counted, ...more];
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
    if (method !== "GET") return text(501, `Cannot answer to ${method}: metrics are read with GET`);
    try {
      const own = await this.own();
      // Before anybody sees it: if this process died, a counter that stood higher before
      // would look like one that had started anew. If it cannot be written, `Member` tells.
      await folder?.write(own).catch(() => {});
      const others = await folder?.readOthers() ?? [];
      const total = await sum([own, ...others, await this.#queueGauges.read()]);
      return text(200, await total.metrics(), total.contentType);
    } catch (error) {
      log.error("Cannot serve metrics: {reason}", { reason: errorMessage(error), error });
      return text(500, errorMessage(error));
    }
  }
}

function text(status: number, body: string, contentType = "text/plain; charset=utf-8"): Response {
  return new Response(body, { status, headers: { "content-type": contentType } });
}
