import { configure, getConsoleSink } from "@logtape/logtape";

/** Writes warnings and errors of the library to the output of this process. */
export async function logToOutput(): Promise<void> {
  await configure({
    sinks: { console: getConsoleSink() },
    loggers: [
      { category: ["logtape", "meta"], sinks: ["console"], lowestLevel: "warning" },
      { category: "dramatiq", sinks: ["console"], lowestLevel: "warning" },
    ],
  });
}
