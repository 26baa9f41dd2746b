/** A number with its labels. */
export interface Sample {
  /** The number. */
  readonly value: number;
  /** Labels of the sample. */
  readonly labels: Readonly<Record<string, string | number>>;
  /** The name it is given under, where that is not the family's: `…_bucket`, for example. */
  readonly metricName?: string;
}

/**
 * A family of samples, as `getMetricsAsJSON` of prom-client gives it and its
 * `AggregatorRegistry.aggregate` takes it.
 */
export interface Metric {
  /** The family. */
  readonly name: string;
  /** Help text. */
  readonly help: string;
  /** `counter`, `gauge`, `histogram` or `summary`. */
  readonly type: string;
  /** Aggregation of samples of several processes: `sum`, mostly. */
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

/** True if something that was read is what {@linkcode Metric} says, as far as sums depend on it. */
export function areMetrics(value: unknown): value is readonly Metric[] {
  return Array.isArray(value) &&
    value.every((one) =>
      typeof one?.name === "string" && typeof one.aggregator === "string" &&
      Array.isArray(one.values)
    );
}

/**
 * Leaves out what says how things are now.
 *
 * @param metrics Those of a process that is no more.
 * @returns What it did while it was.
 */
export function withoutGauges(metrics: readonly Metric[]): Metric[] {
  return metrics.filter(({ type }) => type !== "gauge");
}
