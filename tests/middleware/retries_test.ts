import { assertEquals } from "@std/assert";
import { test } from "../support/test.ts";
import vectors from "../vectors/retries.json" with { type: "json" };
import { Placeholders } from "./placeholders.ts";
import { replay, type RetryCase } from "./retries_replay.ts";
import { assertSameEvents, type WireEvent } from "./wire_journal.ts";

const kept = "Python acknowledges, and so loses, a message whose follow-up cannot be stored";

const FAILED_OPTIONS = {
  retries: 1,
  traceback: "<traceback text>",
  requeue_timestamp: "<ts>",
};

/** Cases in which something else is right here, why, and what. */
const DIFFERENCES: Record<string, { reason: string; ours: (one: RetryCase) => RetryCase }> = {
  "throws-text-in-message": { reason: kept, ours: deadLettered({ throws: "KeyError" }) },
  "retries-option-negative": {
    reason: "a count below 0 is no further attempt",
    ours: (one) => ({
      ...one,
      actor_ran: 1,
      events: [one.events[0]!, one.events.at(-1)!],
    }),
  },
  "retry-when-raises": { reason: kept, ours: deadLettered(FAILED_OPTIONS) },
  "retries-option-text": { reason: kept, ours: deadLettered({ retries: "1" }) },
  "callback-unknown-actor": { reason: kept, ours: deadLettered({ on_success: "nobody" }) },
  "on-success-result-not-encodable": { reason: kept, ours: deadLettered({ on_success: "done" }) },
  "on-failure-throws": {
    reason: "the text of a KeyError is a quoted key in Python",
    ours: (one) => JSON.parse(JSON.stringify(one).replaceAll(`"'k'"`, `"k"`)),
  },
};

/**
 * Cases with a retry that has not to wait: putting it on its queue overlaps with
 * the acknowledgement of the run that failed, on another queue.
 */
const OVERLAPPING: ReadonlySet<string> = new Set([
  "retry-exception-delay-0",
  "retry-exception-delay-negative",
  "min-backoff-0-message",
]);

/** The end of a message that is kept where Python acknowledges it. */
function deadLettered(options: Record<string, unknown>): (one: RetryCase) => RetryCase {
  return (one) => {
    const { message, queue_name } = one.events.at(-1)!;
    const nack = { event: "nack", message, queue_name, options_in_worker_memory: options };
    return { ...one, events: [...one.events.slice(0, -1), nack] };
  };
}

for (const captured of vectors.cases as unknown as readonly RetryCase[]) {
  const difference = DIFFERENCES[captured.label];
  const subject = captured.group === "callbacks" ? "Callbacks and Retries" : "Retries";
  const note = difference === undefined ? "as in Python" : `differently: ${difference.reason}`;

  // Reference: Callbacks, Retries
  test(`${subject} settle case "${captured.label}" ${note}`, async () => {
    const expected = difference?.ours(captured) ?? captured;
    const actual = await replay(expected);
    const placeholders = new Placeholders();
    const inOrder = OVERLAPPING.has(captured.label)
      ? byQueue
      : (events: readonly WireEvent[]) => events;
    assertSameEvents(inOrder(actual.events), inOrder(expected.events), placeholders);
    assertEquals(actual.actorRan, expected.actor_ran, "runs of the actor");
    placeholders.assertMatch(
      actual.callbackActorsGot,
      expected.callback_actors_got ?? [],
      "callback actors",
    );
    if (expected.retry_when_calls !== undefined) {
      assertEquals(actual.retryWhenCalls, expected.retry_when_calls, "calls of retryWhen");
    }
  });
}

/** First what is enqueued, then what is settled of each queue, each in its order. */
function byQueue(events: readonly WireEvent[]): WireEvent[] {
  const place = ({ event, queue_name }: WireEvent) => event === "enqueue" ? "" : String(queue_name);
  return events.toSorted((a, b) => place(a).localeCompare(place(b)));
}
