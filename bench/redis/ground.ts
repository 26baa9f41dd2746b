import { sendCommands } from "../../tests/support/servers/resp.ts";
import type { Crew } from "../contest/contestant.ts";
import type { Ground } from "../contest/ground.ts";
import { processorTime } from "../processor_time.ts";
import { runToEnd } from "../run_to_end.ts";
import type { Assignment, FillAssignment } from "./assignment.ts";
import type { RedisContestant } from "./contestant.ts";

/** A Redis in which each contestant uses its own keys. */
export class RedisGround implements Ground {
  readonly firstWarmUp = 10_000;
  readonly #contestant: RedisContestant;
  readonly #assignment: Assignment;

  constructor(contestant: RedisContestant, assignment: Assignment) {
    this.#contestant = contestant;
    this.#assignment = assignment;
  }

  async clear(): Promise<void> {
    if (this.#contestant.clear !== undefined) return await this.#contestant.clear();
    await sendCommands(this.#assignment.server, [["FLUSHALL"]]);
  }

  async fill(messages: number): Promise<void> {
    const { server, sendBatch, size, filler } = this.#assignment;
    const backlog: FillAssignment = { task: "fill", server, sendBatch, size, filler, messages };
    await runToEnd([...filler, JSON.stringify(backlog)]);
  }

  serverTime(): number {
    const { serverPid } = this.#assignment;
    return serverPid === undefined ? NaN : processorTime(serverPid);
  }

  stored(): Promise<number[]> {
    return this.#contestant.stored();
  }

  async dismiss(crew: Crew): Promise<number> {
    const left = await this.#contestant.left();
    await crew.close();
    return left;
  }
}
