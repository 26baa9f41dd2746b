import { configure, getConsoleSink } from "@logtape/logtape";

/** Makes the library write what somebody should look at to the output of this process. */
export async function logToOutput(): Promise<void> {
  await configure({
    sinks: { console: getConsoleSink() },
    loggers: [
      { category: ["logtape", "meta"], sinks: ["console"], lowestLevel: "warning" },
      { category: "dramatiq", sinks: ["console"], lowestLevel: "warning" },
    ],
  });
}
