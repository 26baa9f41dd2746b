import type { WriteJob } from "../../clients/sqlite/writer.ts";
import type { ClaimedRow } from "./message_source.ts";

/** Consumer, as a {@linkcode ConsumerJob} sees it. */
export interface ConsumerSteps {
  /** Writes settlements. @returns How many were taken over. */
  settle(): number;
  /** Claims messages. */
  claim(): ClaimedRow[];
  /** Called when all is written. */
  committed(rows: ClaimedRow[], foreign: number): void;
  /** Called when nothing is. */
  failed(error: unknown): void;
}

/** The part of a transaction that is one consumer's. */
export class ConsumerJob implements WriteJob {
  readonly #steps: ConsumerSteps;
  #rows: ClaimedRow[] = [];
  #foreign = 0;

  /** @param steps What the consumer does. */
  constructor(steps: ConsumerSteps) {
    this.#steps = steps;
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
    this.#steps.committed(rows, this.#foreign);
  }

  /** Forgets what was claimed. */
  failed(error: unknown): void {
    this.#rows = [];
    this.#steps.failed(error);
  }
}
