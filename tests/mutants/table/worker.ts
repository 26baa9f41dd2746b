import { type Mutant, mutantsOf } from "../mutant.ts";

const STOP = "tests/worker/worker_stop_test.ts";
const WORKER_TEST = "tests/worker/worker_test.ts";
const DELAYED = "tests/worker/delayed_test.ts";
const JOB = "tests/worker/job_test.ts";
const RACES = "tests/worker/worker_races_test.ts";

/** Mistakes in what starts messages, runs their hooks and stops. */
export const WORKER: readonly Mutant[] = [
  ...mutantsOf("worker/dispatcher.ts", [JOB, RACES, WORKER_TEST], [
    [
      "a message whose consumer was lost is started",
      "if (job.settlement.isStale) {",
      "if (false) {",
    ],
    [
      "jobs start while the worker is paused",
      "while (this.#isOpen && this.#running.size",
      "while (this.#running.size",
    ],
    [
      "one message more than the concurrency runs",
      "this.#running.size < concurrency",
      "this.#running.size <= concurrency",
    ],
    ["idle forgets delayed messages on their way", " || this.#republisher.count > 0", "", {
      tests: DELAYED,
    }],
    ["idle forgets messages that wait", " || this.#waiting.size > 0", ""],
    [
      "join hangs when a paused worker stops",
      "this.#waiting.drain()) returnToQueue(job);\n    this.#ended.notify();",
      "this.#waiting.drain()) returnToQueue(job);",
    ],
    [
      "what runs is not given up at the deadline",
      "message.interrupt(new WorkerLost",
      "void (new WorkerLost",
      { tests: STOP },
    ],
  ]),
  ...mutantsOf("worker/waiting_jobs.ts", "tests/brokers/stub/stub_broker_test.ts", [
    [
      "the priority of actors is ignored",
      "this.#jobs.push(job, job.actor.priority);",
      "this.#jobs.push(job, 0);",
      { filter: "priorit" },
    ],
  ]),
  ...mutantsOf("worker/republisher.ts", DELAYED, [
    [
      "join hangs after delayed messages were moved",
      "if (this.#count === 0) this.#onEnd();",
      "",
    ],
  ]),
  ...mutantsOf("worker/job.ts", [JOB, RACES, WORKER_TEST], [
    [
      "a dropped message keeps its place in flight",
      "if (settlement.isStale) settlement.dropped(); // it is delivered again, maybe to another worker",
      "if (settlement.isStale) return;",
    ],
    ["a stop drops what has not begun", 'settlement.settle(message, "lost");', "void settlement;"],
  ]),
  ...mutantsOf("worker/job.ts", [JOB, STOP], [
    [
      "an actor starts although its message was given up while a hook waited",
      "    if (this.#isOver) return; // abandoned during a hook\n    const { message } = this;",
      "    const message = { failed: false, interruptReason: undefined };",
    ],
    [
      "a message that is skipped and dead-lettered has no reason on it",
      'if (outcome === "skippedAndFailed" && message.exception === undefined) {',
      "if (false) {",
      { tests: "tests/middleware/age_limit_test.ts" },
    ],
    [
      "an expected error is logged as a defect",
      'isInstanceOfAny(error, options["throws"])',
      "false",
      { tests: "tests/worker/log_levels_test.ts" },
    ],
    [
      "a message that a hook failed without a word is run",
      "if (message.failed && this.#cancelled === undefined) return this.succeed(undefined);",
      "",
    ],
    [
      "an actor starts although it was told to stop before",
      "if (message.interruptReason !== undefined) return this.fail(message.interruptReason);",
      "",
      { tests: "tests/worker/executor_interrupt_test.ts" },
    ],
    [
      "a result that comes after the message was given up counts",
      "  succeed(result: unknown): void {\n    if (this.#isOver) return;",
      "  succeed(result: unknown): void {",
      { tests: "tests/worker/executor_interrupt_test.ts" },
    ],
    [
      "an error that comes after the message was given up counts",
      "  fail(error: unknown): void {\n    if (this.#isOver) return;",
      "  fail(error: unknown): void {",
      { tests: "tests/worker/executor_interrupt_test.ts" },
    ],
    [
      "a message settles twice when a hook ends after it was given up",
      'if (this.#phase === "ended") return; // abandoned meanwhile',
      "",
    ],
    [
      "a message whose retry is stored is given back as well",
      'else if (this.#phase === "after" && reason instanceof WorkerLost) this.#abandon();',
      'else if (this.#phase === "after" && reason instanceof WorkerLost) this.#end("lost");',
    ],
    [
      "an after hook that never ends keeps the worker from stopping",
      'else if (this.#phase === "after" && reason instanceof WorkerLost) this.#abandon();',
      "",
    ],
    [
      "the outcome is not kept waiting for after hooks",
      'after.then(\n      () => this.#end(outcomeOf(message, "processed")),\n' +
      "      (error) => this.#unfinished(error),\n    );",
      "after.catch((error) => this.#unfinished(error));\n" +
      '    this.#end(outcomeOf(message, "processed"));',
      { tests: "tests/middleware/follow_up_not_stored_test.ts" },
    ],
    [
      "a message that is given back is dead-lettered because a skip hook failed",
      'outcome === "lost" ? this.#end(outcome) : this.#unfinished(error)',
      "this.#unfinished(error)",
    ],
    [
      "a skipped message does not wait for its hooks",
      "after.then(() => this.#end(outcome), unstored);",
      "after.catch(unstored);\n    this.#end(outcome);",
      { tests: "tests/results/middleware_test.ts" },
    ],
  ]),
  ...mutantsOf("worker/outcome.ts", "tests/middleware/follow_up_not_stored_test.ts", [
    [
      "a message whose retry is stored is run again because a callback is not",
      'if (message.retried) return "retried";',
      "",
    ],
    [
      "a message is dead-lettered because the server was away",
      'cause instanceof BrokerConnectionError ? "followUpNotStored" : "failed"',
      '"failed"',
    ],
  ]),
  ...mutantsOf("worker/consumer_loops.ts", RACES, [
    [
      "a queue declared during a pause is worked on",
      'if (paused.worker) loop.pause("worker");',
      "",
    ],
  ]),
  ...mutantsOf("worker/worker.ts", [RACES, WORKER_TEST], [
    [
      "a stop while it starts does not wait for the start",
      "await Promise.race([this.#started, this.#deadline.passed]).catch(() => {});",
      "",
    ],
    [
      "a second stop stops again",
      "this.#stopping ??= this.#stop();",
      "this.#stopping = this.#stop();",
    ],
    [
      "the executor stops before its actors have ended",
      "await Promise.race([this.#dispatcher.idle(), gaveUp]);",
      "",
    ],
    [
      "a stop waits for ever for actors",
      "await Promise.race([this.#dispatcher.idle(), gaveUp]);",
      "await this.#dispatcher.idle();",
      { tests: STOP },
    ],
    [
      "messages are given back while consumers still receive",
      "await Promise.all(loops.map((loop) => loop.stopReceiving()));\n    this.#dispatcher.stop();",
      "this.#dispatcher.stop();\n    await Promise.all(loops.map((loop) => loop.stopReceiving()));",
    ],
    [
      "queues declared after a stop get consumers",
      "this.broker.removeMiddleware(this.#queueWatcher);",
      "",
    ],
    [
      "new messages start while the worker stops",
      'this.#state = "stopping";\n    this.#dispatcher.hold();',
      'this.#state = "stopping";',
    ],
    [
      "messages run before afterWorkerBoot has ended",
      'await this.broker.emit("afterWorkerBoot", this);',
      'this.#dispatcher.open();\n    await this.broker.emit("afterWorkerBoot", this);',
    ],
    [
      "a stop waits for threads that never start",
      "this.executor.cancelStart?.();",
      "",
      { tests: "tests/worker/executors/realms_test.ts", filter: "top-level" },
    ],
    [
      "what a failed start began is left running",
      "await this.stop(0);\n      throw error;",
      "throw error;",
      { tests: STOP },
    ],
  ]),
  ...mutantsOf("worker/stop_deadline.ts", "tests/worker/stop_deadline_test.ts", [
    ["a later call can put the deadline off", "if (at >= this.#at) return;", ""],
    [
      "hooks get no time after actors were given up",
      "clock.setTimer(() => this.#passed.resolve(), LAST_GRACE)",
      "clock.setTimer(() => this.#passed.resolve(), 0)",
    ],
    [
      "an earlier deadline leaves the old timer",
      "this.#at = at;\n    this.clear();",
      "this.#at = at;",
    ],
  ]),
];
