import type { Inspector } from "../../core/inspection.ts";
import { Operation, type OperationRequest } from "./operation.ts";

/** Maximum of ended operations that are kept. */
const MAX_ENDED = 50;

/** The operations on one broker in this process. */
export class Operations {
  readonly #inspector: Inspector;
  readonly #limit: number;
  readonly #all: Map<number, Operation> = new Map();
  readonly #running: Set<Promise<void>> = new Set();
  #lastId = 0;

  /** Stores the inspector, and the maximum of messages per operation. */
  constructor(inspector: Inspector, limit: number) {
    this.#inspector = inspector;
    this.#limit = limit;
  }

  /** All operations, the latest first. */
  get all(): Operation[] {
    return [...this.#all.values()].reverse();
  }

  /** Maximum of messages per operation. */
  get limit(): number {
    return this.#limit;
  }

  /** The active operation on a queue. */
  activeOn(queueName: string): Operation | undefined {
    return this.all.find((one) => one.isActive && one.request.selection.queueName === queueName);
  }

  /** An operation by its id. */
  get(id: number): Operation | undefined {
    return this.#all.get(id);
  }

  /**
   * Starts an operation.
   *
   * @param request The request.
   * @param ended Called when it has ended.
   * @returns The operation.
   * @throws {RangeError} If another operation is active on the queue.
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

  /** Stops all operations. */
  async close(): Promise<void> {
    for (const operation of this.#all.values()) operation.stop();
    await Promise.allSettled(this.#running);
  }

  #forgetOld(): void {
    const ended = [...this.#all.values()].filter((one) => !one.isActive);
    for (const { id } of ended.slice(0, -MAX_ENDED)) this.#all.delete(id);
  }
}
