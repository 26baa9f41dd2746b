import { faultOf, isTransient } from "../../clients/sqlite/errors.ts";
import type { WriteJob, Writer } from "../../clients/sqlite/writer.ts";
import { getLogger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { ClaimedRow } from "./message_source.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "consumer");

/** Consumer, as a {@linkcode ConsumerJob} sees it. */
export interface ConsumerSteps {
  readonly queueName: string;
  /** False once it is closing, or has failed. */
  isOpen(): boolean;
  /** Writes settlements. @returns How many were taken over. */
  settle(): number;
  /** Claims messages. */
  claim(): ClaimedRow[];
  /** Called when all is written. */
  committed(rows: ClaimedRow[]): void;
  /** Called when nothing is, and it is tried again later. */
  retrying(): void;
  /** Called when nothing is, and never will be. */
  failed(error: unknown): void;
}

/** The part of transactions that is one consumer's: it settles, then claims. */
export class ConsumerJob implements WriteJob {
  readonly #writer: Writer;
  readonly #steps: ConsumerSteps;
  #rows: ClaimedRow[] = [];
  #foreign = 0;
  #isQueued = false;
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes one that is not queued.
   *
   * @param writer Runs the transactions.
   * @param steps What the consumer does in them.
   */
  constructor(writer: Writer, steps: ConsumerSteps) {
    this.#writer = writer;
    this.#steps = steps;
  }

  /** Takes part in the next transaction. */
  enqueue(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#writer.add(this);
  }

  /** Waits for no further attempt. */
  stopRetrying(): void {
    clearTimeout(this.#retryTimer);
  }

  /** Settles, then claims. */
  run(): void {
    this.#foreign = this.#steps.settle();
    this.#rows = this.#steps.claim();
  }

  /** Hands on what was claimed. */
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

  /** Forgets what was claimed, and tries again if that may help. */
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
