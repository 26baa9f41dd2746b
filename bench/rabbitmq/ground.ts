import type { Crew } from "../contest/contestant.ts";
import type { Ground } from "../contest/ground.ts";
import { runToEnd } from "../run_to_end.ts";
import type { Assignment, FillAssignment } from "./assignment.ts";
import { Inspector } from "./inspector.ts";

/** A RabbitMQ with one queue for all contestants. */
export class RabbitmqGround implements Ground {
  readonly firstWarmUp = 2_000;
  readonly #assignment: Assignment;
  readonly #inspector: Inspector;

  private constructor(assignment: Assignment, inspector: Inspector) {
    this.#assignment = assignment;
    this.#inspector = inspector;
  }

  /** Connects, and declares the queue. */
  static async open(assignment: Assignment): Promise<RabbitmqGround> {
    return new RabbitmqGround(assignment, await Inspector.open(assignment.url));
  }

  clear(): Promise<void> {
    return this.#inspector.purge();
  }

  async fill(messages: number): Promise<void> {
    const { url, filler } = this.#assignment;
    const backlog: FillAssignment = { task: "fill", url, filler, messages };
    await runToEnd([...filler, JSON.stringify(backlog)]);
  }

  stored(): Promise<number[]> {
    return this.#inspector.takeAll();
  }

  async dismiss(crew: Crew): Promise<number> {
    await crew.close(); // What is unacknowledged cannot be counted.
    return await this.#inspector.count();
  }

  async close(): Promise<void> {
    await this.#inspector.close();
  }
}
