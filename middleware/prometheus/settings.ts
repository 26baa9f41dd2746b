import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEnvironment, readEnvironmentNumber } from "../../platform/runtime.ts";

/** Location and address of metrics. */
export interface MetricsSettings {
  /** The folder with the metrics of all processes. */
  readonly database: string;
  /** The lock file of the process that serves. */
  readonly lock: string;
  /** The address to listen on. */
  readonly host: string;
  /** The port; 0 for any. */
  readonly port: number;
}

/** Highest port. */
const LAST_PORT = 65_535;

/**
 * Completes the options from the environment and, failing that, with Python's defaults.
 *
 * @param options The options.
 * @returns The settings.
 * @throws {RangeError} If the port is invalid.
 */
export function toMetricsSettings(options: Partial<MetricsSettings>): MetricsSettings {
  const port = options.port ?? readEnvironmentNumber("dramatiq_prom_port", 9_191);
  if (!Number.isSafeInteger(port) || port < 0 || port > LAST_PORT) {
    throw new RangeError(
      `Cannot serve metrics on port ${port}: it must be a whole number from 0 to ${LAST_PORT}`,
    );
  }
  return {
    database: options.database ?? readEnvironment("dramatiq_prom_db") ??
      join(tmpdir(), "dramatiq-prometheus"),
    lock: options.lock ?? readEnvironment("dramatiq_prom_lock") ??
      join(tmpdir(), "dramatiq-prometheus.lock"),
    host: options.host ?? readEnvironment("dramatiq_prom_host") ?? "0.0.0.0",
    port,
  };
}
