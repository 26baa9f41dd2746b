import type { Assignment } from "./assignment.ts";

/** Contestants: see bench/redis.ts. */
export const CONTESTANTS = [
  ...["bare", "bare json", "bare two", "ours"],
  ...["bullmq", "bee-queue", "pg-boss", "graphile-worker"],
] as const;
export type ContestantName = typeof CONTESTANTS[number];

/** Contestants that keep their messages in PostgreSQL. */
export const ON_POSTGRES: ReadonlySet<ContestantName> = new Set(["pg-boss", "graphile-worker"]);

/** An assignment whose place is still open. */
export type Work = Assignment extends infer A
  ? A extends Assignment ? Omit<A, "server" | "sendBatch" | "size" | "filler"> : never
  : never;

/** One line of a table. */
export interface Row {
  readonly contestant: ContestantName;
  /** Name in the table. */
  readonly name: string;
  readonly work: Work;
  /** Messages in one run. */
  readonly messages: number;
  /** The bare row that does the same, as "of bare" takes it. */
  readonly bare?: string;
}

/** Rows that answer one question. */
export interface Section {
  readonly key: "serial" | "enqueue" | "process";
  readonly title: string;
  readonly rows: readonly Row[];
}

/**
 * Lists what is measured at one latency. What waits for a round trip a message, or nearly, gets
 * fewer messages when those take long; the tables tell how many.
 *
 * @param messages How many messages a run is.
 * @param isFar Whether round trips take long.
 */
export function listSections(messages: number, isFar: boolean): Section[] {
  const few = (share: number) =>
    isFar ? Math.min(messages, Math.max(500, Math.ceil(messages / share))) : messages;
  return [serial(few(50)), together(messages), processing(few)];
}

/** Messages by which those on PostgreSQL are divided where each is awaited: they take a millisecond. */
const SLOW_SHARE = 20;

function serial(messages: number): Section {
  const work: Work = { task: "enqueue", mode: "serial", messages };
  const few = Math.ceil(messages / SLOW_SHARE);
  const fewWork: Work = { ...work, messages: few };
  return {
    key: "serial",
    title: "enqueue, each awaited before the next",
    rows: [
      { contestant: "bare", name: "bare: a script a message", work, messages },
      {
        contestant: "ours",
        name: "ours: send",
        work,
        messages,
        bare: "bare: a script a message",
      },
      { contestant: "bullmq", name: "BullMQ: add", work, messages },
      { contestant: "bee-queue", name: "bee-queue: save", work, messages },
      { contestant: "pg-boss", name: "pg-boss: send", work: fewWork, messages: few },
      {
        contestant: "graphile-worker",
        name: "graphile-worker: addJob",
        work: fewWork,
        messages: few,
      },
    ],
  };
}

function together(messages: number): Section {
  const bulk: Work = { task: "enqueue", mode: "bulk", messages };
  const oneCall: Work = { task: "enqueue", mode: "oneCall", messages };
  const concurrent: Work = { task: "enqueue", mode: "concurrent", messages };
  const bare = "bare: batched scripts, texts made before";
  return {
    key: "enqueue",
    title: "enqueue, all at once",
    rows: [
      { contestant: "bare", name: bare, work: bulk, messages },
      { contestant: "bare json", name: "bare: the same, makes the texts", work: bulk, messages },
      { contestant: "ours", name: "ours: concurrent send", work: concurrent, messages, bare },
      { contestant: "ours", name: "ours: sendMany", work: bulk, messages, bare },
      { contestant: "bullmq", name: "BullMQ: concurrent add", work: concurrent, messages },
      { contestant: "bullmq", name: "BullMQ: addBulk, one call", work: oneCall, messages },
      { contestant: "bullmq", name: "BullMQ: addBulk, concurrent calls", work: bulk, messages },
      { contestant: "bee-queue", name: "bee-queue: concurrent save", work: concurrent, messages },
      {
        contestant: "bee-queue",
        name: "bee-queue: saveAll, concurrent calls",
        work: bulk,
        messages,
      },
      { contestant: "pg-boss", name: "pg-boss: insert, concurrent calls", work: bulk, messages },
      {
        contestant: "graphile-worker",
        name: "graphile-worker: addJobs, concurrent calls",
        work: bulk,
        messages,
      },
    ],
  };
}

/** Number of messages at once, and by what the messages are divided when round trips take long. */
const CONCURRENCIES = [
  { concurrency: 1, ours: 10, bullmq: 50 },
  { concurrency: 8, ours: 1, bullmq: 5 },
  { concurrency: 100, ours: 1, bullmq: 1 },
];

/** With the names in the table; what fetches batches takes as many at once as the others. */
const PEERS: readonly (readonly [ContestantName, string])[] = [
  ["bullmq", "BullMQ"],
  ["bee-queue", "bee-queue"],
  ["pg-boss", "pg-boss"],
  ["graphile-worker", "graphile-worker"],
];

function processing(few: (share: number) => number): Section {
  const work = (count: number, concurrency: number, prefetch: number): Work => ({
    ...{ task: "process", messages: count, concurrency, prefetch, rounds: 1 },
  });
  const rows = CONCURRENCIES.flatMap(({ concurrency, ours, bullmq }): Row[] => {
    const batch = 2 * concurrency; // What a worker's prefetch is by default.
    const bare = `bare: batches of ${batch}`;
    const json = `bare: batches of ${batch}, reads the texts`;
    const our = `ours: concurrency ${concurrency}, prefetch ${batch}`;
    const two = `bare: the same, two fetches in flight`;
    const most = few(ours);
    const fewest = few(bullmq);
    const ourWork = work(most, concurrency, batch);
    return [
      { contestant: "bare", name: bare, work: ourWork, messages: most },
      { contestant: "bare json", name: json, work: ourWork, messages: most },
      { contestant: "bare two", name: two, work: ourWork, messages: most },
      { contestant: "ours", name: our, work: ourWork, messages: most, bare },
      ...PEERS.map(([contestant, title]): Row => {
        const isSlow = ON_POSTGRES.has(contestant) && concurrency < 100;
        const count = isSlow ? Math.ceil(fewest / SLOW_SHARE) : fewest;
        const name = `${title}: concurrency ${concurrency}`;
        return { contestant, name, work: work(count, concurrency, batch), messages: count };
      }),
    ];
  });
  return { key: "process", title: "process a backlog of no-ops", rows };
}
