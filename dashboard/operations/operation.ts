import type {
  ChangeOutcome,
  Inspector,
  MessageChange,
  MessageQuery,
  MessageState,
} from "../../core/inspection.ts";
import { errorMessage } from "../../platform/thrown.ts";

/** Messages on a page, which are changed by one call. */
const STEP = 200;

/** Which messages an operation changes. */
export interface Selection {
  readonly queueName: string;
  readonly state: Exclude<MessageState, "unacknowledged">;
  readonly actorName?: string;
  readonly error?: string;
  readonly since?: number;
  /** The fixed end: messages that come later are left alone. */
  readonly before?: number;
}

/** A change of many messages, to be begun. */
export interface OperationRequest {
  readonly selection: Selection;
  readonly change: MessageChange;
  /** Number of messages that it is likely to change. */
  readonly expected: number | undefined;
  /** The name of whoever began it. */
  readonly by: string;
}

/**
 * A change of many messages, page by page. It lives in this process: if that ends, the rest of the
 * messages stay as they are, and beginning it again is harmless.
 *
 * `running` → `stopping` → `stopped`; or → `done`, `limited` (as many as one operation may change),
 * `failed`.
 */
export class Operation {
  readonly id: number;
  readonly request: OperationRequest;
  readonly startedAt: number = Date.now();
  endedAt: number | undefined;
  state: "running" | "stopping" | "stopped" | "done" | "limited" | "failed" = "running";
  /** Messages that were changed, that were gone by then, and that could not be changed. */
  done = 0;
  gone = 0;
  failed = 0;
  /** Messages that were looked at. */
  scanned = 0;
  /** Why it ended early, or why a message could not be changed. */
  error: string | undefined;
  readonly #inspector: Inspector;
  readonly #limit: number;
  readonly #stopping: AbortController = new AbortController();

  /** Stores what to do. */
  constructor(id: number, request: OperationRequest, inspector: Inspector, limit: number) {
    this.id = id;
    this.request = request;
    this.#inspector = inspector;
    this.#limit = limit;
  }

  /** Messages that were handled. */
  get handled(): number {
    return this.done + this.gone + this.failed;
  }

  /** True until it has ended. */
  get isActive(): boolean {
    return this.endedAt === undefined;
  }

  /** Ends it after the page that is being changed. */
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
