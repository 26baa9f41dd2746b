import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEnvironment, readEnvironmentNumber } from "../../platform/runtime.ts";

/** Location and address of metrics. */
export interface MetricsSettings {
  /** The folder with the metrics of all processes. */
  readonly database: string;
  /** The file whose lock the process holds that serves. */
  readonly lock: string;
  /** The address to listen on. */
  readonly host: string;
  /** The port; 0 for any. */
  readonly port: number;
}

/** Highest port. */
const LAST_PORT = 65_535;

/**
 * Fills in what is not said: from the environment, else as Python does.
 *
 * @param options What is said.
 * @returns The place.
 * @throws {RangeError} If the port is none.
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
