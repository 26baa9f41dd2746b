import { BrokerConnectionError } from "@dq/dramatiq";
import { deadline } from "@std/async";
import { errorMessage } from "../../../platform/thrown.ts";

/** Operations on servers. */
export type OperationName = "send" | "acquire" | "release" | "get a result";

/** Milliseconds that no operation may take, whatever servers do: far above all time-outs. */
const LONGEST = 15_000;

/** Operations on servers, and how it ended. */
export class Operations {
  /** Number of messages that failed since servers were away. */
  readonly failed: Map<OperationName, number> = new Map();
  /** Problems: what hung, or failed for another reason. */
  readonly problems: string[] = [];
  readonly #underWay: Set<Promise<unknown>> = new Set();
  #stuck = 0;
  #missingResults = 0;

  /** Number of operations that took longer than anything may. */
  get stuck(): number {
    return this.#stuck;
  }

  /** Number of results that never came. */
  get missingResults(): number {
    return this.#missingResults;
  }

  /**
   * Waits for an operation, which may fail with the error of an outage, but not hang.
   *
   * @param name What is done.
   * @param work Does it.
   * @param longest Milliseconds that it may take.
   * @returns What it gave, or `undefined` if it failed.
   */
  async run<T>(
    name: OperationName,
    work: Promise<T>,
    longest: number = LONGEST,
  ): Promise<T | undefined> {
    const bounded = deadline(work, longest);
    this.#underWay.add(bounded);
    try {
      return await bounded;
    } catch (error) {
      this.#note(name, error);
      return undefined;
    } finally {
      this.#underWay.delete(bounded);
    }
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  #note(name: OperationName, error: unknown): void {
    if (error instanceof BrokerConnectionError) {
      this.failed.set(name, (this.failed.get(name) ?? 0) + 1);
      return;
    }
    const { name: kind } = error as Error;
    if (kind === "ResultTimeout") {
      this.#missingResults++;
      return;
    }
    if (kind === "TimeoutError") this.#stuck++;
    this.problems.push(`Cannot ${name}: ${kind}: ${errorMessage(error)}`);
  }
}
