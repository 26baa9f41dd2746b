import { type Mutant, mutantsOf } from "../mutant.ts";

const SETTLEMENT = ["tests/worker/settlement_test.ts", "tests/worker/settlement_guards_test.ts"];
const LOOP = "tests/worker/consumer_loop_test.ts";
const RESTART = "tests/worker/consumer_loop_restart_test.ts";
const STOP = "tests/worker/worker_stop_test.ts";
const WORKER_TEST = "tests/worker/worker_test.ts";
const DELAYED = "tests/worker/delayed_test.ts";

/** Mistakes in what receives messages, moves delayed ones and settles them. */
export const SETTLING: readonly Mutant[] = [
  ...mutantsOf("worker/settlement.ts", SETTLEMENT, [
    [
      "a consumer that has lost its lease does not make its messages stale",
      "return this.#isStale || this.#consumer.isLost;",
      "return this.#isStale;",
      { tests: [...SETTLEMENT, WORKER_TEST] },
    ],
    [
      "an abandoned settlement still gives messages back to its consumer",
      "this.#isStale = true;\n    this.#endPauses();",
      "this.#isStale = true;",
    ],
    ["a dropped message is not counted off", "this.#unsettled -= 1;", ""],
    [
      "room is not told of after a dropped message",
      "this.#unsettled -= 1;\n    this.#owner.roomMade();",
      "this.#unsettled -= 1;",
    ],
    [
      "flushed does not give paused messages back",
      'for (const message of this.#endPauses()) this.#add("requeue", message);',
      "",
    ],
    [
      "flushed does not send what is scheduled",
      "if (this.#flushScheduled) this.#flush();\n    while",
      "while",
    ],
    [
      "flushed waits for one batch only",
      "while (this.#pending > 0) await this.#flushes",
      "if (this.#pending > 0) await this.#flushes",
      { stays: "waiters are only woken when nothing is pending, and wait again within one turn" },
    ],
    [
      "a hook that cannot store something because the server is away loses the message",
      "if (error instanceof FollowUpNotStored && error.cause instanceof BrokerConnectionError) {",
      "if (false) {",
      { tests: [...SETTLEMENT, "tests/middleware/group_outages_test.ts"] },
    ],
    [
      "a message that a hook objected to hangs for ever",
      "        verb,\n      },\n    );\n    this.#add(verb, message);",
      "        verb,\n      },\n    );",
    ],
    [
      "what cannot be finished is given back at once, in a tight circle",
      "const timer = this.#broker.clock.setTimer(() => {\n      this.#paused.delete(message);",
      'this.#add("requeue", message);\n    const timer = this.#broker.clock.setTimer(() => {\n      return;',
      { tests: STOP },
    ],
    [
      "a paused message is given back twice: by flushed and by its timer",
      "for (const timer of this.#paused.values()) this.#broker.clock.clearTimer(timer);",
      "",
    ],
    ["pauses that have ended are not forgotten", "    this.#paused.clear();\n", ""],
    [
      "messages that are handed to the consumer stay counted",
      "this.#unsettled -= batch.length;",
      "",
    ],
    [
      "room is not told of after a flush",
      "    this.#owner.roomMade();\n  }\n\n  async #send",
      "  }\n\n  async #send",
    ],
    [
      "a consumer that is gone already fails its loop once more",
      "if (!this.#isStale) this.#owner.consumerFailed(error);",
      "this.#owner.consumerFailed(error);",
    ],
    [
      "after hooks are called for what the broker has not heard of",
      "if (!this.#isStale) this.#owner.consumerFailed(error);\n      return;",
      "if (!this.#isStale) this.#owner.consumerFailed(error);",
    ],
    [
      "afterAck hooks are not awaited by flushed",
      "      if (after !== undefined) await after;\n    }\n  }\n\n  #track",
      "    }\n  }\n\n  #track",
    ],
    [
      "a failed message is acknowledged",
      'case "failed": // No attempt is left, or none would help.\n        return this.#conclude("nack", message);',
      'case "failed":\n        return this.#conclude("ack", message);',
    ],
    [
      "a lost message is acknowledged",
      'return this.#add("requeue", message);\n    }',
      'return this.#add("ack", message);\n    }',
    ],
  ]),
  ...mutantsOf("worker/delayed.ts", DELAYED, [
    [
      "a delayed message of a lost consumer is moved all the same",
      "if (settlement.isStale) return; // it is delivered again",
      "",
    ],
    [
      "a delayed message is taken off its queue before it is stored on the other",
      "    await broker.enqueueDue(message);\n  } catch",
      '    settlement.settle(message, "done");\n    await broker.enqueueDue(message);\n    return;\n  } catch',
      { tests: [DELAYED, "tests/middleware/follow_up_not_stored_test.ts"] },
    ],
    [
      "a delayed message is dead-lettered because the server is away",
      'const outcome = outcomeOf(message, "unfinished", error);',
      'const outcome = "failed";',
      { tests: "tests/middleware/follow_up_not_stored_test.ts" },
    ],
    [
      "a delayed message that no queue takes is moved for ever",
      'const outcome = outcomeOf(message, "unfinished", error);',
      'const outcome = "followUpNotStored";',
      { tests: "tests/middleware/follow_up_not_stored_test.ts" },
    ],
    [
      "a delayed message is dead-lettered without its error",
      "message.stuffException(error);\n",
      "",
      { tests: "tests/middleware/follow_up_not_stored_test.ts" },
    ],
    [
      "a hook that fails before a move leaves the message behind",
      "// Python loses the message here.",
      "return;",
    ],
  ]),
  ...mutantsOf("worker/consumer_loop.ts", LOOP, [
    [
      "close does not wait for acknowledgements",
      "    await this.flushedAtLast(gaveUp);\n    await this.#closeConsumer();",
      "    await this.#closeConsumer();",
    ],
    [
      "acknowledgements that never get through keep close waiting",
      "    await this.flushedAtLast(gaveUp);\n    await this.#closeConsumer();",
      "    await this.flushed();\n    await this.#closeConsumer();",
      { tests: [LOOP, STOP] },
    ],
    ["what was received before a failure is not abandoned", "this.#settlement?.abandon();", "", {
      tests: RESTART,
    }],
    [
      "a failed consumer is not closed before the next one opens",
      "await this.#closeConsumer();\n    if (this.#stopping) return;",
      "if (this.#stopping) return;",
      { tests: RESTART },
    ],
    [
      "a failure of an earlier consumer fails the next one",
      "    this.#failure = undefined;\n",
      "",
      { tests: RESTART },
    ],
    [
      "a failed consumer goes on receiving",
      "if (this.#failure !== undefined) throw this.#failure;",
      "",
      { tests: RESTART },
    ],
    [
      "a consumer that fails while it waits for messages does not notice",
      "this.#failure ??= error;\n      this.#receiving.abort();",
      "this.#failure ??= error;",
      { tests: RESTART },
    ],
    [
      "one message too many is received",
      "const room = Math.min(this.#prefetch, this.#limit) - settlement.unsettled;",
      "const room = Math.min(this.#prefetch, this.#limit) - settlement.unsettled + 1;",
    ],
    ["what is received is not counted", "settlement.received(messages.length);", ""],
    ["a pause receives one batch more", "if (room <= 0 || isPaused) {", "if (room <= 0) {"],
    [
      "a stop waits for the delay before a restart",
      "if (!this.#stopping) return;\n        clock.clearTimer(timer);",
      "return;",
    ],
    [
      "a resume ends the delay before a restart",
      "if (!this.#stopping) return;\n        clock.clearTimer(timer);",
      "clock.clearTimer(timer);",
      { tests: RESTART },
    ],
    ["a stop does not wait for the receive under way", "    await this.#ended;\n", ""],
    [
      "a broker that was closed is asked again without a pause",
      "throw new ConnectionClosed(`The consumer of",
      "continue; throw new ConnectionClosed(`The consumer of",
      { tests: RESTART },
    ],
  ]),
];
