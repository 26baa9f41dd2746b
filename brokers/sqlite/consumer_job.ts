import { faultOf, isTransient } from "../../clients/sqlite/errors.ts";
import type { WriteJob, Writer } from "../../clients/sqlite/writer.ts";
import { getLogger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { ClaimedRow } from "./message_source.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "consumer");

/** Methods of a consumer that its {@linkcode ConsumerJob} calls. */
export interface ConsumerSteps {
  readonly queueName: string;
  /** False if the consumer is closing, or has failed. */
  isOpen(): boolean;
  /** Writes settlements, inside the transaction. @returns How many were taken over. */
  settle(): number;
  /** Claims messages, inside the transaction. */
  claim(): ClaimedRow[];
  /** Called after the commit. */
  committed(rows: ClaimedRow[]): void;
  /** Called after a failure that will be retried. */
  retrying(): void;
  /** Called after a failure that will not be retried. */
  failed(error: unknown): void;
}

/** The write job of one consumer: it settles, then claims. */
export class ConsumerJob implements WriteJob {
  readonly #writer: Writer;
  readonly #steps: ConsumerSteps;
  #rows: ClaimedRow[] = [];
  /** Number of settlements of messages that another worker has taken over. */
  #foreign = 0;
  #isQueued = false;
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes a job that is not queued.
   *
   * @param writer Runs the transactions.
   * @param steps The consumer.
   */
  constructor(writer: Writer, steps: ConsumerSteps) {
    this.#writer = writer;
    this.#steps = steps;
  }

  /** Adds the job to the next transaction. */
  enqueue(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#writer.add(this);
  }

  /** Cancels a pending retry. */
  stopRetrying(): void {
    clearTimeout(this.#retryTimer);
  }

  /** Settles, then claims. */
  run(): void {
    this.#foreign = this.#steps.settle();
    this.#rows = this.#steps.claim();
  }

  /** Passes claimed messages to the consumer. */
  committed(): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#isQueued = false;
    this.#failures = 0;
    if (this.#foreign > 0) {
      const text =
        "Ignored {count} late settlement(s) of {queue}: another worker has taken the message(s) over";
      log.warn(counted(this.#foreign, text), {
        count: this.#foreign,
        queue: this.#steps.queueName,
      });
    }
    this.#steps.committed(rows);
  }

  /** Drops claimed messages, and retries if the error is transient. */
  failed(error: unknown): void {
    this.#rows = [];
    this.#isQueued = false;
    if (!isTransient(error) || !this.#steps.isOpen()) return this.#steps.failed(error);
    if (this.#failures === 0 && faultOf(error) !== "busy") {
      log.error("Failed to settle messages of {queue}, will retry: {reason}", {
        queue: this.#steps.queueName,
        reason: errorMessage(error),
        error,
      });
    }
    this.#steps.retrying();
    this.#retryTimer = setTimeout(() => this.enqueue(), retryDelay(this.#failures++));
  }
}
