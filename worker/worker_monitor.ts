import type { Broker } from "../core/broker.ts";
import type {
  ActorCounts,
  HistoryMinute,
  RunningMessage,
  WorkerReport,
} from "../core/inspection_reports.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import {
  addCounts,
  type CountsByActor,
  minuteOf,
  type ReportSource,
} from "../core/report_source.ts";
import { pause } from "../platform/clock.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import { hostname, processId, residentMemory } from "../platform/process.ts";
import { runtimeVersion } from "../platform/runtime.ts";
import { VERSION } from "../platform/version.ts";
import { type ActorTotals, differences } from "./actor_totals.ts";
import type { FleetMember } from "./fleet_member.ts";

const log = /* @__PURE__ */ getLogger("worker", "report");

/** Milliseconds that a stop waits for the server to remove the report. */
const LONGEST_STOP = 1_000;
/** Milliseconds between two checks of running messages. */
const INTERVAL = 250;
/** Number of checks between two additions to the history. */
const LOOKS_PER_ADDITION = 4;
/** Most running messages in a report. */
const MOST_RUNNING = 50;
/** Minutes of history. */
const MINUTES = 60;
/** States of a worker in which it does not simply work. */
const STATES: Readonly<Record<string, WorkerReport["state"]>> = {
  paused: "quiet",
  stopping: "stopping",
};

/** The part of a worker that its monitor uses. */
export interface MonitoredWorker {
  /** Identifies the worker. */
  readonly id: string;
  readonly broker: Broker;
  readonly dispatcher: {
    readonly executor: { readonly concurrency: number };
    /** Messages whose actors, or hooks, are running. */
    readonly running: readonly MessageProxy[];
    /** Number of messages by actor. */
    readonly totals: ActorTotals;
  };
  readonly loops: {
    /** The queues and delay queues that it works on. */
    readonly queueNames: readonly string[];
  };
  /** Its connection to the fleet, if there is a control store. */
  readonly fleet: Pick<FleetMember, "bootedAt" | "schedules"> | undefined;
  /** Current state of the worker. */
  state(): string;
}

/**
 * Collects the report of a worker: its running messages and their starts, the outcomes of messages by
 * actor, and the delay of timers.
 *
 * It finds starts by regular checks, because noting a time for each message would slow down all of
 * them for the sake of the few that hang.
 */
export class WorkerMonitor implements ReportSource {
  readonly #worker: MonitoredWorker;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Messages that ran at the last check, and the time at which each was first seen. */
  #seen: Map<MessageProxy, number> = new Map();
  #startedAt = 0;
  #lookedAt = 0;
  #looks = 0;
  #lag = 0;
  /** Counts that were taken, and those that were returned since. */
  #taken: CountsByActor = {};
  #returned: Record<string, ActorCounts> = {};
  #added: CountsByActor = {};
  readonly #minutes: Map<number, Record<string, ActorCounts>> = new Map();

  /**
   * Stores the worker; `start` begins.
   *
   * @param worker The worker.
   */
  constructor(worker: MonitoredWorker) {
    this.#worker = worker;
  }

  /** Begins to watch, and to report. */
  start(): void {
    const { broker } = this.#worker;
    this.#startedAt = broker.clock.now();
    this.#lookedAt = performance.now();
    this.#timer = setInterval(() => this.#look(), INTERVAL);
    (this.#timer as { unref?(): void }).unref?.();
    broker.offerReport(this);
  }

  /**
   * Stops watching, after the worker has stopped. Never rejects, and does not wait long for an
   * unavailable server: reports expire with the heartbeats.
   *
   * @param gaveUp Ends the wait.
   */
  async stop(gaveUp: Promise<void>): Promise<void> {
    clearInterval(this.#timer);
    const { broker } = this.#worker;
    const withdrawing = Promise.resolve(broker.withdrawReport(this)).catch((error) => {
      log.debug("Failed to withdraw the report: {reason}", { reason: errorMessage(error), error });
    });
    const isOver = new AbortController();
    await Promise.race([withdrawing, gaveUp, pause(broker.clock, LONGEST_STOP, isOver.signal)]);
    isOver.abort();
  }

  /** Composes the report. */
  report(): WorkerReport {
    this.#find();
    const { id, broker, dispatcher, loops, fleet, state } = this.#worker;
    const messages = [...this.#seen].toSorted(([, a], [, b]) => a - b).slice(0, MOST_RUNNING);
    const lag = this.#lag;
    this.#lag = 0;
    return {
      id,
      host: hostname(),
      pid: processId(),
      queues: [...new Set(loops.queueNames.map(canonicalQueueName))].toSorted(),
      concurrency: dispatcher.executor.concurrency,
      running: this.#seen.size,
      schedules: fleet?.schedules,
      bootedAt: fleet?.bootedAt ?? this.#startedAt,
      seenAt: broker.clock.now(),
      hasReport: true,
      state: STATES[state()] ?? "working",
      runtime: runtimeVersion(),
      version: VERSION,
      messages: messages.map(([message, since]) => toRunning(message, since)),
      actors: dispatcher.totals.snapshot(),
      lag: Math.round(lag),
      rss: residentMemory(),
    };
  }

  /** Counts since the last call, by actor. */
  takeCounts(): CountsByActor | undefined {
    const now = this.#worker.dispatcher.totals.snapshot();
    const counts = differences(this.#taken, now) ?? {};
    this.#taken = now;
    for (const [name, more] of Object.entries(this.#returned)) {
      counts[name] = addCounts(counts[name], more);
    }
    this.#returned = {};
    return Object.keys(counts).length === 0 ? undefined : counts;
  }

  /** Takes back counts that could not be stored. */
  returnCounts(counts: CountsByActor): void {
    for (const [name, more] of Object.entries(counts)) {
      this.#returned[name] = addCounts(this.#returned[name], more);
    }
  }

  /** History of the last hour, for a broker in memory. */
  get minutes(): readonly HistoryMinute[] {
    this.#addToHistory();
    return Array.from(this.#minutes, ([at, actors]) => ({ at, actors }));
  }

  #look(): void {
    const now = performance.now();
    this.#lag = Math.max(this.#lag, now - this.#lookedAt - INTERVAL);
    this.#lookedAt = now;
    this.#looks += 1;
    this.#find();
    if (this.#worker.broker.isInMemory && this.#looks % LOOKS_PER_ADDITION === 0) {
      this.#addToHistory();
    }
  }

  #find(): void {
    const { broker, dispatcher: { running } } = this.#worker;
    if (running.length === 0 && this.#seen.size === 0) return;
    const now = broker.clock.now();
    const seen = new Map<MessageProxy, number>();
    for (const message of running) seen.set(message, this.#seen.get(message) ?? now);
    this.#seen = seen;
  }

  #addToHistory(): void {
    const { broker, dispatcher: { totals } } = this.#worker;
    const now = totals.snapshot();
    const counts = differences(this.#added, now);
    this.#added = now;
    if (counts === undefined) return;
    const at = minuteOf(broker.clock.now());
    const minute = this.#minutes.get(at) ?? {};
    for (const [name, more] of Object.entries(counts)) minute[name] = addCounts(minute[name], more);
    this.#minutes.set(at, minute);
    for (const old of this.#minutes.keys()) {
      if (this.#minutes.size > MINUTES) this.#minutes.delete(old);
    }
  }
}

function toRunning(message: MessageProxy, since: number): RunningMessage {
  const { messageId, actorName, queueName } = message;
  const retries = message.option("retries");
  const key = message.option("redisMessageId");
  return {
    messageId,
    actorName,
    queueName,
    since,
    attempt: typeof retries === "number" ? retries + 1 : 1,
    key: typeof key === "string" ? key : undefined,
  };
}
