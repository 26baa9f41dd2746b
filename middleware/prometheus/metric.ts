/** A number with its labels. */
export interface Sample {
  /** The number. */
  readonly value: number;
  /** Labels of the sample. */
  readonly labels: Readonly<Record<string, string | number>>;
  /** The name of the sample, if it differs from that of the family, such as `…_bucket`. */
  readonly metricName?: string;
}

/**
 * A family of samples, as prom-client's `getMetricsAsJSON` returns it and its
 * `AggregatorRegistry.aggregate` accepts it.
 */
export interface Metric {
  /** The name of the family. */
  readonly name: string;
  /** Help text. */
  readonly help: string;
  /** `counter`, `gauge`, `histogram` or `summary`. */
  readonly type: string;
  /** Aggregation of samples of several processes: usually `sum`. */
  readonly aggregator: string;
  /** Its samples. */
  readonly values: readonly Sample[];
}

/** Source of metrics: a `Registry` of prom-client, for example. */
export interface MetricsSource {
  /**
   * Reads them.
   *
   * @returns Families with their samples, as prom-client's `Registry` gives them.
   */
  getMetricsAsJSON(): Promise<readonly object[]>;
}

/** True if a value that was read has the fields of a {@linkcode Metric} that sums depend on. */
export function areMetrics(value: unknown): value is readonly Metric[] {
  return Array.isArray(value) &&
    value.every((one) =>
      typeof one?.name === "string" && typeof one.aggregator === "string" &&
      Array.isArray(one.values)
    );
}

/**
 * Removes gauges.
 *
 * @param metrics The metrics of a dead process.
 * @returns Its other metrics.
 */
export function withoutGauges(metrics: readonly Metric[]): Metric[] {
  return metrics.filter(({ type }) => type !== "gauge");
}
