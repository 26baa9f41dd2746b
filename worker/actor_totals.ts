import type { ActorCounts } from "../core/inspection_reports.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Outcome } from "../core/middleware.ts";
import type { CountsByActor } from "../core/report_source.ts";

/** Number of actors that are counted one by one; names come from messages, which anybody sends. */
const MOST_ACTORS = 100;
/** Name under which the others are counted. */
const OTHERS = "(others)";

/** Counts that grow. */
type Totals = { -readonly [Name in keyof ActorCounts]: number };

/**
 * Number of messages by actor and outcome, since a worker was made.
 *
 * It is on the path of every message: consecutive messages are mostly of the same actor, and then
 * it costs a comparison and an addition.
 */
export class ActorTotals {
  readonly #byName: Map<string, Totals> = new Map();
  #lastName: string | undefined;
  #lastTotals: Totals = nothing();

  /** Counts the end of a message. */
  add(message: MessageProxy, outcome: Outcome): void {
    const { actorName } = message;
    if (actorName !== this.#lastName) {
      this.#lastTotals = this.#totalsOf(actorName);
      this.#lastName = actorName;
    }
    const totals = this.#lastTotals;
    switch (outcome) {
      case "done":
      case "skipped":
        totals.done += 1;
        return;
      case "cancelled":
        if (message.failed) totals.dead += 1; // it is kept
        else totals.done += 1;
        return;
      case "retried":
        if (message.snoozed) return;
        totals.failed += 1;
        totals.retried += 1;
        return;
      case "failed":
        totals.failed += 1;
        totals.dead += 1;
        return;
      case "skippedAndFailed":
      case "unknownActor":
      case "undecodable":
        totals.dead += 1;
        return;
      case "followUpNotStored":
      case "lost":
        return; // it is delivered again
    }
  }

  /** The counts so far; a copy. */
  snapshot(): CountsByActor {
    return Object.fromEntries(Array.from(this.#byName, ([name, totals]) => [name, { ...totals }]));
  }

  #totalsOf(actorName: string): Totals {
    const name = this.#byName.has(actorName) || this.#byName.size < MOST_ACTORS
      ? actorName
      : OTHERS;
    let totals = this.#byName.get(name);
    if (totals === undefined) this.#byName.set(name, totals = nothing());
    return totals;
  }
}

/**
 * What has been counted between two times.
 *
 * @param before The counts at the first one.
 * @param after The counts at the second one.
 * @returns The differences, of those actors that have any; `undefined` if none has.
 */
export function differences(
  before: CountsByActor,
  after: CountsByActor,
): Record<string, ActorCounts> | undefined {
  let found: Record<string, ActorCounts> | undefined;
  for (const [name, now] of Object.entries(after)) {
    const then = before[name] ?? NOTHING;
    const difference = {
      done: now.done - then.done,
      failed: now.failed - then.failed,
      retried: now.retried - then.retried,
      dead: now.dead - then.dead,
    };
    if (Object.values(difference).some((count) => count > 0)) (found ??= {})[name] = difference;
  }
  return found;
}

const NOTHING: ActorCounts = { done: 0, failed: 0, retried: 0, dead: 0 };

function nothing(): Totals {
  return { ...NOTHING };
}
