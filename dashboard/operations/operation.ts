import type {
  ChangeOutcome,
  Inspector,
  MessageChange,
  MessageQuery,
  MessageState,
} from "../../core/inspection.ts";
import { errorMessage } from "../../platform/thrown.ts";

/** Number of messages that are listed and changed in one step. */
const STEP = 200;

/** The messages that an operation changes. */
export interface Selection {
  readonly queueName: string;
  readonly state: Exclude<MessageState, "unacknowledged">;
  readonly actorName?: string;
  readonly error?: string;
  readonly since?: number;
  /** Only messages from before this time, in milliseconds since the epoch. */
  readonly before?: number;
}

/** Request of an operation. */
export interface OperationRequest {
  readonly selection: Selection;
  readonly change: MessageChange;
  /** Estimated number of messages. */
  readonly expected: number | undefined;
  /** Name of the viewer. */
  readonly by: string;
}

/**
 * A change of many messages, in steps. It runs in this process; if the process ends, the remaining
 * messages are unchanged, and starting the operation again is safe.
 *
 * `running` → `stopping` → `stopped`; or → `done`, `limited` (has changed the maximum of messages),
 * `failed`.
 */
export class Operation {
  readonly id: number;
  readonly request: OperationRequest;
  readonly startedAt: number = Date.now();
  endedAt: number | undefined;
  state: "running" | "stopping" | "stopped" | "done" | "limited" | "failed" = "running";
  /** Number of changed messages. */
  done = 0;
  /** Number of messages that were gone when they were to be changed. */
  gone = 0;
  /** Number of messages that could not be changed. */
  failed = 0;
  /** Number of messages that were read. */
  scanned = 0;
  /** Error of the operation, or of a message. */
  error: string | undefined;
  readonly #inspector: Inspector;
  readonly #limit: number;
  readonly #stopping: AbortController = new AbortController();

  /** Stores the request; `run` starts. */
  constructor(id: number, request: OperationRequest, inspector: Inspector, limit: number) {
    this.id = id;
    this.request = request;
    this.#inspector = inspector;
    this.#limit = limit;
  }

  /** Number of handled messages. */
  get handled(): number {
    return this.done + this.gone + this.failed;
  }

  /** True until it has ended. */
  get isActive(): boolean {
    return this.endedAt === undefined;
  }

  /** Stops after the current step. */
  stop(): void {
    if (this.state === "running") this.state = "stopping";
    this.#stopping.abort();
  }

  /** Changes all messages. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#changeAll();
      if (this.state === "running") this.state = "done";
      else if (this.state === "stopping") this.state = "stopped";
    } catch (error) {
      this.state = this.#stopping.signal.aborted ? "stopped" : "failed";
      this.error = errorMessage(error);
    }
    this.endedAt = Date.now();
  }

  async #changeAll(): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.#inspector.list(this.#query(after));
      this.scanned += page.scanned;
      const refs = page.messages.map(({ ref }) => ref).slice(0, this.#limit - this.handled);
      if (refs.length > 0 && this.state === "running") {
        for (const outcome of await this.#inspector.change(refs, this.request.change)) {
          this.#count(outcome);
        }
      }
      if (this.handled >= this.#limit && page.next !== undefined) this.state = "limited";
      after = page.next;
    } while (after !== undefined && this.state === "running");
  }

  #query(after: string | undefined): MessageQuery {
    return {
      ...this.request.selection,
      order: "oldest",
      limit: STEP,
      ...(after !== undefined && { after }),
    };
  }

  #count(one: ChangeOutcome): void {
    this[one.outcome]++;
    if (one.outcome === "failed") this.error = errorMessage(one.error);
  }
}
