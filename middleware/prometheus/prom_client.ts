import { exportsOf, missingPackage } from "../../platform/missing_package.ts";
import type { Metric } from "./metric.ts";

/** The part of prom-client that is used here. */
export interface PromClient {
  /** Aggregates metrics. */
  readonly AggregatorRegistry: {
    aggregate(all: object[]): Sum;
  };
}

/** Metrics of several processes as one. */
export interface Sum {
  /** Content type. */
  readonly contentType: string;
  /** Returns the metrics in the text format of Prometheus. */
  metrics(): Promise<string>;
  /** Returns the metrics in a form that can be summed again. */
  getMetricsAsJSON(): Promise<Metric[]>;
}

/**
 * Sums metrics, family by family and sample by sample.
 *
 * @param all The metrics of each process.
 * @returns The sum.
 * @throws {TypeError} If prom-client is not installed.
 */
export async function sum(all: readonly (readonly Metric[])[]): Promise<Sum> {
  const { AggregatorRegistry } = await loadPromClient();
  return AggregatorRegistry.aggregate([...all]);
}

/**
 * Loads prom-client, unless it is loaded.
 *
 * @returns The part of it that is used here.
 * @throws {TypeError} If it is not there.
 */
export async function loadPromClient(): Promise<PromClient> {
  try {
    return exportsOf(await import("prom-client") as unknown as PromClient, "AggregatorRegistry");
  } catch (error) {
    throw missingPackage("serve metrics", "prom-client", error);
  }
}
