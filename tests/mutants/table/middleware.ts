import { type Mutant, mutantsOf } from "../mutant.ts";

const NOT_STORED = "tests/middleware/follow_up_not_stored_test.ts";
const FOLLOW_UP = "tests/middleware/follow_up_test.ts";
const RETRIES = ["tests/middleware/retries_test.ts", "tests/middleware/retries_options_test.ts"];
const OPTIONS = "tests/middleware/message_options_test.ts";
const LIMITS = "tests/middleware/time_limit_test.ts";
const GROUPS = [
  "tests/middleware/group_callbacks_test.ts",
  "tests/middleware/group_settled_test.ts",
  "tests/middleware/group_outages_test.ts",
];

/** Mistakes in the middleware. */
export const MIDDLEWARE: readonly Mutant[] = [
  ...mutantsOf("middleware/age_limit.ts", "tests/middleware/age_limit_test.ts", [
    [
      "a message that has just reached its age still runs",
      "message.messageTimestamp < maxAge) return;",
      "message.messageTimestamp <= maxAge) return;",
    ],
    [
      "a message that is too old is acknowledged",
      "message.fail(); // A skipped message that has not failed would be acknowledged.",
      "",
    ],
  ]),
  ...mutantsOf("middleware/async_io.ts", "tests/middleware/async_io_test.ts", [
    ["actors that have ended are blamed", "this.#running.delete(label);", ""],
    [
      "the timer outlives the worker",
      "if (this.#timer !== undefined) broker.clock.clearTimer(this.#timer);",
      "",
    ],
    [
      "the first worker that stops ends the watch for others",
      "if (this.#workers.size > 0) return;",
      "",
      { tests: "tests/worker/worker_stop_test.ts", filter: "AsyncIO" },
    ],
  ]),
  ...mutantsOf("middleware/backoff.ts", "tests/middleware/backoff_test.ts", [
    [
      "the delay does not double",
      "2 ** Math.min(attempt, MAX_EXPONENT)",
      "2 * Math.min(attempt, MAX_EXPONENT)",
    ],
    [
      "the delay can be above the maximum",
      "drawn <= maxBackoff ? drawn : maxBackoff * (1 + random()) / 2",
      "drawn",
    ],
    ["a fixed backoff has jitter", " || minBackoff === maxBackoff", ""],
  ]),
  ...mutantsOf("middleware/options.ts", OPTIONS, [
    [
      "an option that makes no sense counts",
      'typeof own === "number" && isWithin(own, rule)',
      "own !== undefined",
    ],
    [
      "a number out of range counts",
      'typeof own === "number" && isWithin(own, rule)',
      'typeof own === "number"',
    ],
    [
      "an option that makes no sense takes that of the actor along",
      "(actor?.options[name] ?? fallback) as number",
      "fallback",
    ],
    ["each message is warned of", "if (names.has(name)) return;", ""],
  ]),
  ...mutantsOf("core/queue_names.ts", ["tests/core/queue_names_test.ts"], [
    [
      "a name that was refused is remembered as a good one",
      "  if (reason === undefined) {\n    if (valid",
      "  {\n    if (valid",
    ],
    ["a name has one character too many", "queueName.length > MAX_QUEUE_NAME_LENGTH", "false"],
    ["keys of the broker are names of queues", "/^__/", "/^\\0/"],
  ]),
  ...mutantsOf("core/failure.ts", "tests/worker/executors/conformance_test.ts", [
    [
      "what has nothing to do with an interrupt counts as one",
      "!isPlain || !isConsequence(thrown, 0)",
      "!isPlain",
      { filter: "InlineExecutor names" },
    ],
    [
      "what an actor decides after an interrupt is overruled",
      "!isPlain || !isConsequence(thrown, 0)",
      "!isConsequence(thrown, 0)",
      { filter: "InlineExecutor names" },
    ],
    [
      "an AbortError that is the cause of another error is not seen",
      "[thrown.cause, suppressed, ...others]",
      "[suppressed, ...others]",
      { filter: "InlineExecutor names" },
    ],
  ]),
  ...mutantsOf("middleware/retries.ts", RETRIES, [
    [
      "one retry too many",
      "limit === null || retries < limit",
      "limit === null || retries <= limit",
    ],
    [
      "the message is acknowledged before its retry is stored",
      "    await this.#store(broker, message, failed, exception, delay);\n    message.markRetried();",
      "    void this.#store(broker, message, failed, exception, delay);\n    message.markRetried();",
      { tests: NOT_STORED },
    ],
    [
      "a message counts as retried before its retry is stored",
      "    await this.#store(broker, message, failed, exception, delay);\n    message.markRetried();",
      "    message.markRetried();\n    await this.#store(broker, message, failed, exception, delay);",
      { tests: NOT_STORED },
    ],
    ["a message that was retried counts as done", "    message.markRetried();\n", "", {
      tests: NOT_STORED,
    }],
    ["retries are not counted", "retries: retries + 1,", "retries,"],
    [
      "a message that is given up is acknowledged",
      "      },\n    );\n    message.fail();",
      "      },\n    );",
    ],
    [
      "an expected error is retried",
      "if (this.#isExpected(broker, message, exception)) {",
      "if (false) {",
    ],
    [
      "an asynchronous retryWhen always says yes",
      "return await retryWhen(retries, exception);",
      "return Boolean(retryWhen(retries, exception));",
    ],
    [
      "options that make no sense lose the message",
      "throw new FollowUpNotStored(`Cannot decide on a retry:",
      "return;\n      throw new FollowUpNotStored(`Cannot decide on a retry:",
    ],
    [
      "the delay that an actor asks for is ignored",
      "const delay = asked ?? computeBackoff(",
      "const delay = computeBackoff(",
    ],
    [
      "an explicit null does not lift the limit",
      'return own === null ? null : asNumber("maxRetries", own);',
      'return own === null ? this.#maxRetries : asNumber("maxRetries", own);',
    ],
    ["retries below 0 allow for more attempts", "Math.max(0, asNumber", "(asNumber", {
      tests: OPTIONS,
    }],
  ]),
  ...mutantsOf("middleware/follow_up.ts", [FOLLOW_UP, NOT_STORED], [
    [
      "a server that is away gets no second chance",
      "|| attempt >= ATTEMPTS && !mustKeep(broker, delivery)) {",
      "|| true) {",
    ],
    [
      "it is tried for ever",
      "|| attempt >= ATTEMPTS && !mustKeep(broker, delivery)) {",
      "|| false) {",
    ],
    ["what spends deliveries is given back", "&& !mustKeep(broker, delivery)", ""],
    ["a delivery that is lost is kept", "&& !isLost", ""],
    ["a worker that gives up keeps a delivery", " && !(interruptReason instanceof WorkerLost)", ""],
    ["what can never be stored is tried again", "!isUnavailable ||", ""],
    [
      "it is tried again at once",
      "await new Promise<void>((resolve) => broker.clock.setTimer(resolve, PAUSE));",
      "",
    ],
    [
      "the follow-up is not waited for",
      "await storeFollowUp(broker, what, delivery, () => {\n    const { message, delay }",
      "storeFollowUp(broker, what, delivery, () => {\n    const { message, delay }",
    ],
  ]),
  ...mutantsOf("middleware/callbacks.ts", ["tests/middleware/callbacks_test.ts", NOT_STORED], [
    [
      "a callback is not waited for",
      "return this.#send(broker, onSuccess, message, result ?? null);",
      "void this.#send(broker, onSuccess, message, result ?? null);",
    ],
  ]),
  ...mutantsOf("middleware/pipelines.ts", ["tests/middleware/pipelines_test.ts", NOT_STORED], [
    [
      "a message that failed without an error sends the next one",
      "if (exception !== undefined || message.failed) return;",
      "if (exception !== undefined) return;",
    ],
    [
      "the next message is not waited for",
      "return this.#sendNext(broker, message, result);",
      "void this.#sendNext(broker, message, result);",
    ],
    [
      "the delay of the next message is dropped",
      'delay: delay === undefined ? undefined : asNumber("delay", delay),',
      "delay: undefined,",
    ],
  ]),
  ...mutantsOf("middleware/time_limit.ts", LIMITS, [
    ["a message is stopped again and again", "message.deadline = Infinity;\n    log", "log"],
    [
      "a message that runs again in another realm has no limit",
      "nearest = Math.min(nearest, deadline === Infinity ? now + timeLimit : deadline);",
      "nearest = Math.min(nearest, deadline);",
    ],
    [
      "a later deadline puts an earlier one off",
      "if (message.deadline < this.#timerAt && this.#workers.size > 0) {",
      "if (this.#workers.size > 0) {",
    ],
    [
      "a program without a worker has a timer",
      "if (message.deadline < this.#timerAt && this.#workers.size > 0) {",
      "if (message.deadline < this.#timerAt) {",
    ],
    [
      "one millisecond past the limit",
      "if (message.deadline <= now) this.#stop(message);",
      "if (message.deadline < now) this.#stop(message);",
    ],
    [
      "the timer goes with the first worker that stops",
      "if (this.#workers.size === 0) this.#setTimer(broker, Infinity);",
      "this.#setTimer(broker, Infinity);",
    ],
    [
      "the timer outlives the last worker",
      "if (this.#workers.size === 0) this.#setTimer(broker, Infinity);",
      "",
    ],
    [
      "a second timer runs beside the first",
      "if (this.#timer !== undefined) broker.clock.clearTimer(this.#timer);",
      "",
    ],
  ]),
  ...mutantsOf(
    "middleware/shutdown_notifications.ts",
    "tests/middleware/shutdown_notifications_test.ts",
    [
      [
        "actors that did not ask are told",
        'if (!broker.getOption(message, "notifyShutdown", this.#notifyShutdown)) continue;',
        "",
      ],
    ],
  ),
  ...mutantsOf("middleware/group_callbacks.ts", GROUPS, [
    [
      "a member that is given back counts as settled",
      "if (message.failed || reason instanceof WorkerLost) return;",
      "if (message.failed) return;",
    ],
    [
      "a member that failed without an error counts as done",
      "if (exception !== undefined || message.failed) return;",
      "if (exception !== undefined) return;",
    ],
    [
      "a member that was claimed by a worker that died never sends",
      'case "claimed": // Another worker is sending them. It may have died: check again later.',
      'case "claimed":\n          return;',
    ],
    [
      "a group is concluded before its callbacks are sent",
      "    await storeFollowUp(broker, `the callbacks of group ${uuid}`, message, () => {",
      "    await this.rateLimiterBackend.concludeGroup(uuid, this.barrierTtl);\n    await storeFollowUp(broker, `the callbacks of group ${uuid}`, message, () => {",
      { tests: [...GROUPS, "tests/rate_limits/group_crash_test.ts"] },
    ],
    [
      "a group is not concluded: its callbacks are sent again",
      "() => this.rateLimiterBackend.concludeGroup(uuid, this.barrierTtl),",
      "() => Promise.resolve(),",
    ],
    [
      "the member runs again because it could not be noted that callbacks were sent",
      "    } catch (error) {\n      // To run the member again would certainly send them twice.",
      "    } catch (error) {\n      throw error;",
    ],
    [
      "a member is acknowledged that could not be counted",
      "const progress = await storeFollowUp(\n        broker,\n        `that a member of group ${uuid} is done`,\n        message,\n        () => this.rateLimiterBackend.countMember(uuid, member, this.barrierTtl),\n      );",
      'const progress = await this.rateLimiterBackend.countMember(uuid, member, this.barrierTtl)\n        .catch(() => "waiting" as const);',
    ],
  ]),
];
