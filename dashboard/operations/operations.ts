import type { Inspector } from "../../core/inspection.ts";
import { Operation, type OperationRequest } from "./operation.ts";

/** Operations that have ended and are still shown. */
const MAX_ENDED = 50;

/** The operations of one broker, of this process. */
export class Operations {
  readonly #inspector: Inspector;
  readonly #limit: number;
  readonly #all: Map<number, Operation> = new Map();
  readonly #running: Set<Promise<void>> = new Set();
  #lastId = 0;

  /** Stores what they change messages with, and how many each changes at most. */
  constructor(inspector: Inspector, limit: number) {
    this.#inspector = inspector;
    this.#limit = limit;
  }

  /** All operations, the latest first. */
  get all(): Operation[] {
    return [...this.#all.values()].reverse();
  }

  /** Number of messages that each changes at most. */
  get limit(): number {
    return this.#limit;
  }

  /** The operation that changes messages of a queue just now. */
  activeOn(queueName: string): Operation | undefined {
    return this.all.find((one) => one.isActive && one.request.selection.queueName === queueName);
  }

  /** An operation by its id. */
  get(id: number): Operation | undefined {
    return this.#all.get(id);
  }

  /**
   * Begins an operation.
   *
   * @param request What to do.
   * @param ended Called when it has ended.
   * @returns The operation.
   * @throws {RangeError} If another one changes messages of the queue.
   */
  start(request: OperationRequest, ended: (operation: Operation) => void): Operation {
    const { queueName } = request.selection;
    const active = this.activeOn(queueName);
    if (active !== undefined) {
      throw new RangeError(
        `Cannot change messages of queue "${queueName}": operation ${active.id} is at work on it`,
      );
    }
    const operation = new Operation(++this.#lastId, request, this.#inspector, this.#limit);
    this.#all.set(operation.id, operation);
    this.#forgetOld();
    const running = operation.run().then(() => {
      this.#running.delete(running);
      ended(operation);
    });
    this.#running.add(running);
    return operation;
  }

  /** Stops all. */
  async close(): Promise<void> {
    for (const operation of this.#all.values()) operation.stop();
    await Promise.allSettled(this.#running);
  }

  #forgetOld(): void {
    const ended = [...this.#all.values()].filter((one) => !one.isActive);
    for (const { id } of ended.slice(0, -MAX_ENDED)) this.#all.delete(id);
  }
}
