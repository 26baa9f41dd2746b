import { type Mutant, mutantsOf } from "../mutant.ts";

const CRASH = "tests/worker/executors/crash_test.ts";
const LOST = "tests/worker/executors/lost_realm_test.ts";
const REALMS = "tests/worker/executors/realms_test.ts";
const INTERRUPT = "tests/worker/executor_interrupt_test.ts";
const POOL = "tests/worker/executors/simulated_pool_test.ts";
const GRACE_PERIODS = "tests/worker/executors/grace_periods_test.ts";
const LIFECYCLE = "tests/worker/executors/simulated_lifecycle_test.ts";

/** Mistakes in what runs actors. */
export const EXECUTORS: readonly Mutant[] = [
  ...mutantsOf("worker/executors/inline.ts", INTERRUPT, [
    [
      "a later interrupt can lengthen the grace",
      "if (endsAt >= (this.#graces.get(run)?.endsAt ?? Infinity)) return;",
      "",
    ],
    [
      "an actor that has ended is given up when its grace is over",
      "  #endGrace(run: Run): void {\n",
      "  #endGrace(run: Run): void {\n    if (run !== undefined) return;\n",
    ],
    [
      "the message stays current after its actor has settled",
      "result.then((value) => {\n      leaveMessage(run.message);",
      "result.then((value) => {",
      { tests: "tests/worker/executor_test.ts" },
    ],
    [
      "middleware that was added later does not wrap actors",
      "if (this.#middleware !== middleware) {",
      "if (this.#middleware.length === 0) {",
      { tests: "tests/worker/executor_test.ts" },
    ],
    [
      "the outermost wrapper is the last of the list",
      "one.wrapActor!(message, () => inner(message, actor)),",
      "inner(message, actor).then(() => one.wrapActor!(message, () => inner(message, actor))),",
      { tests: "tests/worker/executor_test.ts" },
    ],
  ]),
  ...mutantsOf("worker/executors/realm_pool.ts", [POOL, LIFECYCLE], [
    [
      "a stale run is started again after its realm was lost",
      "    if (!this.#mayStart(run)) return false;\n    run.message.renew",
      "    run.message.renew",
    ],
    [
      "a run is started again although the worker stops",
      "    if (isStopping) {\n      run.fail(",
      "    if (false) {\n      run.fail(",
    ],
    [
      "a run that starts again has no time left",
      "    run.message.renew(monotonicTime(this.#broker!.clock));\n    return true;",
      "    return true;",
    ],
    [
      "innocents of a lost realm are lost",
      "else this.#runAgain(run);\n    }",
      "else void run;\n    }",
    ],
    [
      "suspects all run at once",
      "else if (offender === undefined && begun.has(run)) this.#suspect(run);",
      "",
    ],
    ["a lost realm is not replaced", "this.#lifecycle.replenish();\n    for", "for"],
    [
      "the one that was alone in its realm is not blamed",
      "const isAlone = realm.begun.length === 1;",
      "const isAlone = false;",
    ],
    [
      "a realm is killed for one whose neighbour computes",
      "if (!period.isHeard && busy !== undefined && busy !== run) return;",
      "",
      { tests: POOL, filter: "cannot hear because another one computes" },
    ],
    [
      "a run that has not begun is failed at its limit",
      "if (realm.takeBack(run)) return this.#neverBegan(run);",
      "",
    ],
    [
      "a waiting run fails at its limit",
      "return run.message.renew(monotonicTime(this.#broker!.clock));\n    }\n    if (!remove",
      "run.fail(reason);\n    }\n    if (!remove",
    ],
    [
      "a waiting run that the worker gives up stays",
      "if (!remove(this.#waiting, run) && !remove(this.#suspects, run)) return;",
      "if (true) return;",
    ],
    [
      "a second interrupt with less grace is ignored",
      "else if (!this.#gracePeriods.isSooner(run, grace)) return;",
      "else return;",
    ],
    [
      "a second interrupt with more grace counts",
      "else if (!this.#gracePeriods.isSooner(run, grace)) return;",
      "",
    ],
    [
      "runs overtake those that wait",
      "if (this.#waiting.size > 0 || !this.#assign(run)) this.#waiting.push(run);",
      "if (!this.#assign(run)) this.#waiting.push(run);",
      {
        stays: "what waits is handed out first as soon as there is room, before anything new comes",
      },
    ],
    [
      "a run that finds no room is dropped",
      "this.#waiting.unshift([run]);\n      break;",
      "break;",
    ],
    [
      "stop leaves the realm for suspects behind",
      "await Promise.all([this.#lifecycle.stop(), this.#quarantine?.stop()]);",
      "await this.#lifecycle.stop();",
    ],
    ["timers of graces outlive a stop", "    this.#gracePeriods.endAll();\n", ""],
    ["a suspect starts after the pool has stopped", "if (this.#lifecycle.isStopping) return;", ""],
    [
      "the offender in the quarantine is not blamed",
      ": realm === this.#quarantine\n      ? realm.at(0)\n      : undefined;",
      ": undefined;",
    ],
  ]),
  ...mutantsOf("worker/executors/realm_lifecycle.ts", LIFECYCLE, [
    [
      "realms that do not begin are tried in a tight circle",
      "Math.min(FIRST_BACKOFF * 2 ** (this.#refusals - 1), LONGEST_BACKOFF)",
      "0",
    ],
    ["a realm that began does not end the row of refusals", "this.#refusals = 0;", ""],
    [
      "a process is never replaced though no realm starts",
      "if (this.#refusals === MAX_REFUSALS) this.#retire(reason);",
      "",
    ],
    [
      "realms are started while the lifecycle stops",
      "if (this.#isStopping) return;\n    while",
      "while",
    ],
    [
      "a timer starts realms after a stop",
      "    this.#isStopping = true;\n    clearTimeout(this.#backoff);",
      "    clearTimeout(this.#backoff);",
    ],
    [
      "the realm with the most to do gets the run",
      "realm.load < least.load",
      "realm.load > least.load",
    ],
    [
      "what did start is left running when one does not",
      "    } catch (error) {\n      await this.stop();\n      throw error;",
      "    } catch (error) {\n      throw error;",
    ],
  ]),
  ...mutantsOf("worker/executors/realm.ts", [POOL, LIFECYCLE], [
    [
      "a crash is told twice",
      '  #crashed(crash: Crash): void {\n    if (this.#state === "over") return;',
      "  #crashed(crash: Crash): void {",
    ],
    [
      "a slot is taken again while its actor still runs",
      "this.#slots[this.#slots.indexOf(run)] = ABANDONED;",
      "const slot = this.#slots.indexOf(run);\n    this.#slots[slot] = undefined;\n    this.#free.push(slot);",
    ],
    [
      "a stop waits for ever for a realm that computes",
      "hasAnswered = false;\n        this.#stopped.resolve();",
      "hasAnswered = false;",
    ],
    [
      "what was in a stopped realm never ends",
      'for (const run of this.kill()) run.fail(new WorkerLost("The worker has stopped"));',
      "this.kill();",
    ],
    [
      "an interrupt overtakes the run that it is for",
      "    this.flush();\n    this.#channel.post({ interrupt",
      "    this.#channel.post({ interrupt",
    ],
    [
      "a run that never began counts as ended",
      "this.#owner.neverBegan(run);\n        continue;",
      "this.#owner.neverBegan(run);",
    ],
    ["timers of a run outlive it", "      this.#owner.ended(run);\n", ""],
    [
      "a message that cannot be cloned fails all that were sent with it",
      "for (let i = 0; i < runs.length; i += 2) this.#sendAlone(runs[i] as number, runs[i + 1]!);",
      "void runs;",
    ],
  ]),
  ...mutantsOf("worker/executors/grace_periods.ts", GRACE_PERIODS, [
    [
      "what hears of its interrupt late gets no grace",
      "if (monotonicTime(clock) < period.endsAt || period.grace === Infinity) return;",
      "return;",
    ],
    [
      "hearing in time lengthens the grace",
      "if (monotonicTime(clock) < period.endsAt || period.grace === Infinity) return;",
      "",
    ],
    [
      "the timer of an earlier interrupt goes on",
      "this.#gracePeriods.delete(run);\n    this.#clock().clearTimer(period.timer);",
      "this.#gracePeriods.delete(run);",
    ],
    ["a realm gets no time to answer", "Math.max(grace, CONFIRM_TIMEOUT)", "grace"],
    [
      "a second interrupt forgets that the first was heard",
      "const isHeard = this.#gracePeriods.get(run)?.isHeard ?? false;",
      "const isHeard = false;",
    ],
  ]),
  ...mutantsOf("worker/executors/process_transport.ts", LOST, [
    [
      "a process that ends is told before its last messages have come",
      "if (this.#isDisconnected) this.#end(this.#how);\n    else this.#endOnceSilent(this.#how);",
      "this.#end(this.#how);",
      { stays: "what a process sent arrives before its exit is told, nearly always" },
    ],
    [
      "a process that exits without disconnecting is never done",
      "else this.#endOnceSilent(this.#how);",
      "",
    ],
    [
      "a process that sends to the last is cut off",
      "if (this.#received === received) this.#end(how);\n      else this.#endOnceSilent(how);",
      "this.#end(how);",
      { stays: "a test would have to keep a dead process sending for longer than the silence" },
    ],
    [
      "a process that is deaf and not dead lives on",
      "else this.kill(); // it hears nothing any more",
      "",
      {
        tests: CRASH,
        filter: "cuts its process off",
        stays:
          "a process whose pipe is gone has nothing left to wait for, and mostly ends by itself",
      },
    ],
    [
      "a message to a dead process ends it before its exit is told",
      "if (child.pid === undefined) this.#end(String(error));",
      "this.#end(String(error));",
      {
        filter: "messages on their way",
        stays: "the process is gone then: its exit ends it a moment later",
      },
    ],
  ]),
  ...mutantsOf("worker/executors/realm_server.ts", REALMS, [
    [
      "endings before a crash are lost",
      "    this.#flush();\n    this.#post({\n      crashed",
      "    this.#post({\n      crashed",
      { filter: "had ended before its realm went down" },
    ],
    [
      "a run that was taken back begins all the same",
      "if (this.#interrupted.delete(slot) || this.#board?.begin(slot) === false) {",
      "this.#board?.begin(slot);\n    if (false) {",
      { filter: "ThreadExecutor fails no message at its limit" },
    ],
    [
      "a slot stays busy after its actor's first await",
      "    this.#board?.returned();\n",
      "",
      { tests: LOST, filter: "that has come to its first await" },
    ],
    [
      "a run is unwanted because the one before it in its slot was",
      "this.#interrupted.delete(message.runs[i] as number);",
      "",
      { stays: "the run would come back as one that never began, and be handed over once more" },
    ],
    ["an actor can start a worker in a realm", "    enterRealm();\n", "", {
      filter: "cannot work where they run",
    }],
  ]),
  ...mutantsOf("worker/executors/process_entry.ts", REALMS, [
    [
      "a child that computes outlives its parent",
      "dieWithParent();",
      "",
      { filter: "leaves no process behind" },
    ],
  ]),
];
