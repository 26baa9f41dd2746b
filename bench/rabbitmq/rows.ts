import type { Work } from "./assignment.ts";

/** Contestants: see bench/rabbitmq.ts. */
export type ContestantName = "bare" | "bare json" | "bare together" | "ours";

/** One line of a table. */
export interface Row {
  readonly contestant: ContestantName;
  /** Name in the table. */
  readonly name: string;
  readonly work: Work;
  /** The budget that this row has to keep, if any: its share of the quickest bare row. */
  readonly budget?: string;
}

/** Rows that are compared with each other. */
export interface Section {
  readonly key: "serial" | "publish" | "consume";
  readonly title: string;
  readonly messages: number;
  readonly rows: readonly Row[];
}

/** Round trips take long beside all else. */
const SERIAL_SHARE = 10;
const CONCURRENCIES = [1, 8, 100];

/**
 * Lists what is measured.
 *
 * @param messages How many messages a run is.
 */
export function listSections(messages: number): Section[] {
  const few = Math.ceil(messages / SERIAL_SHARE);
  return [
    serial(few),
    together(messages),
    ...CONCURRENCIES.map((concurrency) => consuming(concurrency, concurrency > 1 ? messages : few)),
  ];
}

function serial(messages: number): Section {
  const work: Work = { task: "publish", mode: "serial", messages };
  return {
    key: "serial",
    title: "publish, each confirmed before the next",
    messages,
    rows: [
      { contestant: "bare", name: "bare: messages made before", work },
      { contestant: "bare json", name: "bare: makes the messages", work },
      { contestant: "ours", name: "ours: send", work, budget: "publish, one by one" },
    ],
  };
}

function together(messages: number): Section {
  const concurrent: Work = { task: "publish", mode: "concurrent", messages };
  const many: Work = { task: "publish", mode: "many", messages };
  return {
    key: "publish",
    title: "publish with confirms, all at once",
    messages,
    rows: [
      { contestant: "bare", name: "bare: messages made before", work: concurrent },
      { contestant: "bare json", name: "bare: makes the messages", work: concurrent },
      {
        contestant: "ours",
        name: "ours: concurrent send",
        work: concurrent,
        budget: "publish, concurrent send",
      },
      { contestant: "ours", name: "ours: sendMany", work: many, budget: "publish, sendMany" },
    ],
  };
}

function consuming(concurrency: number, messages: number): Section {
  const prefetch = 2 * concurrency; // What a worker's prefetch is by default.
  const work: Work = { task: "consume", messages, concurrency, prefetch };
  return {
    key: "consume",
    title: `consume a backlog of no-ops with acks, prefetch ${prefetch}`,
    messages,
    rows: [
      { contestant: "bare", name: "bare: acks each", work },
      { contestant: "bare together", name: "bare: acks all of a turn at once", work },
      { contestant: "bare json", name: "bare: acks each, reads the messages", work },
      {
        contestant: "ours",
        name: `ours: concurrency ${concurrency}`,
        work,
        budget: `consume, prefetch ${prefetch}`,
      },
    ],
  };
}
