import { type Mutant, mutantsOf } from "../mutant.ts";

const SUPERVISION = "tests/cli/supervision_test.ts";
const SUPERVISOR = "tests/cli/supervisor_test.ts";
const SLOT = "tests/cli/child_slot_test.ts";
const SIGNALS = "tests/cli/vectors_signals_test.ts";
const DEAD_LETTERS = "tests/cli/dead_letters_test.ts";
const PID_FILE = "tests/cli/pid_file_test.ts";
const IPC = "tests/cli/ipc_test.ts";

/** Mistakes in the command line. */
export const CLI: readonly Mutant[] = [
  ...mutantsOf("cli/child_slot.ts", SLOT, [
    [
      "the supervisor gives up after five instant deaths in a lifetime",
      "this.#instantDeaths = ending.workedFor < INSTANT ? this.#instantDeaths + 1 : 0;",
      "this.#instantDeaths += ending.workedFor < INSTANT ? 1 : 0;",
    ],
    [
      "the supervisor gives up one death early",
      "this.#instantDeaths >= MAX_INSTANT_DEATHS",
      "this.#instantDeaths >= MAX_INSTANT_DEATHS - 1",
    ],
    [
      "the supervisor gives up because the server is away",
      'const mayGiveUp = this.role.kind === "worker" && !isOutage;',
      'const mayGiveUp = this.role.kind === "worker";',
    ],
    [
      "the supervisor gives up because of a fork",
      'const mayGiveUp = this.role.kind === "worker" && !isOutage;',
      "const mayGiveUp = !isOutage;",
    ],
    [
      "a child that dies at once is replaced at once",
      ": Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#instantDeaths - 1));",
      ": 0;",
    ],
    [
      "a child starts after the stop",
      "    this.#isStopping = true;\n    clearTimeout(this.#timer);",
      "    this.#isStopping = true;",
    ],
    [
      "a reload starts a second child beside the one that a death starts",
      '    if (this.#isStopping) return Promise.resolve("superseded");\n    clearTimeout(this.#timer);',
      '    if (this.#isStopping) return Promise.resolve("superseded");',
    ],
    [
      "a reload during a stop starts a child",
      'if (this.#isStopping) return Promise.resolve("superseded");',
      "",
    ],
    [
      "a reload does not forgive earlier deaths",
      "    this.#instantDeaths = 0;\n    const { promise",
      "    const { promise",
    ],
    [
      "the old child stops before the new one works",
      "      this.#next = { child, settle: resolve };",
      "      this.#next = { child, settle: resolve };\n      this.#current?.stop();",
    ],
    ["the old child goes on beside the new one", "      old?.stop();\n", ""],
    ["a reload that another supersedes leaves its child", "    previous?.child.stop();\n", ""],
    ["a reload that another supersedes never ends", '    previous?.settle("superseded");\n', ""],
    [
      "a stop does not wait for children that still finish",
      "if (this.#children.size === 0) this.#owner.slotEmptied(this);\n      return;",
      "this.#owner.slotEmptied(this);\n      return;",
    ],
    [
      "a killed child ends the supervisor with success",
      "this.endedBadly ||= child.wasKilled || (child.isReady && !isWell);",
      "this.endedBadly ||= child.isReady && !isWell && !child.wasKilled;",
    ],
    [
      "a child that dies while its replacement starts is replaced twice",
      "if (this.#next === undefined) this.#replace(child, ending);",
      "this.#replace(child, ending);",
    ],
    [
      "a child that retires is replaced twice",
      "if (child !== this.#current || this.#isStopping) return;",
      "if (this.#isStopping) return;",
    ],
  ]),
  ...mutantsOf("cli/child.ts", SUPERVISION, [
    [
      "a child that does not stop is never killed",
      "    this.#killTimer = setTimeout(\n      () => this.kill(),",
      "    this.#killTimer = setTimeout(\n      () => {},",
      { tests: "tests/cli/child_test.ts" },
    ],
    [
      "what a program started holds up its end",
      "await Promise.race([Promise.all(outputs), late]);",
      "await Promise.all(outputs);",
      { filter: "is no child of the supervisor" },
    ],
  ]),
  ...mutantsOf("cli/worker_process.ts", SIGNALS, [
    [
      "actors may not finish when a worker is told to stop",
      "await worker.stop(timeout);",
      "await worker.stop(0);",
      { filter: "lets what runs end" },
    ],
    [
      "the broker is not closed",
      "await Promise.race([broker.close(), new Promise((done) => setTimeout(done, CLOSE_TIMEOUT))]);",
      "",
      {
        stays:
          "the end of the process closes its connections, and the worker has settled all it had",
      },
    ],
    [
      "a worker that crashes waits for its actors",
      "ended.resolve({ code: KILLED, timeout: 0 });",
      "ended.resolve({ code: KILLED });",
      { tests: SUPERVISION, filter: "no message is lost (late)" },
    ],
  ]),
  ...mutantsOf("cli/supervisor_listener.ts", SIGNALS, [
    [
      "a worker outlives its supervisor",
      'process.stdin.on("end", () => listener.stop("the supervisor has ended"));',
      "",
      { filter: "no worker behind" },
    ],
    [
      "Ctrl-C ends the workers, too",
      'process.on("SIGINT", ignore);',
      'process.on("SIGINT", () => listener.stop("SIGINT"));',
      {
        filter: "leaves Ctrl-C to the supervisor",
        stays: "the supervisor has them stop at the same moment, and in the same way",
      },
    ],
  ]),
  ...mutantsOf("cli/supervisor.ts", SIGNALS, [
    [
      "a second signal does not kill",
      "for (const slot of [...this.#workers, ...this.#forks]) slot.kill();",
      "",
      { filter: "kills at a second" },
    ],
    [
      "a second signal of the same keystroke kills",
      'if (state.name !== "stopping" || performance.now() - state.since < SAME_KEYSTROKE) return;',
      "",
      { tests: SUPERVISOR, filter: "same keystroke" },
    ],
    [
      "the supervisor ends once for each slot that is empty",
      'if (!("since" in state) || state.name === "ended") return;',
      'if (!("since" in state)) return;',
      { tests: SUPERVISOR, filter: "stops once" },
    ],
    [
      "a reload starts during a stop",
      "if (this.isStopping) return;\n    this.#reopenLog();",
      "this.#reopenLog();",
      { filter: "two signals of the same moment" },
    ],
    [
      "the other workers are reloaded though the first one did not start",
      "      return;\n    }\n    await Promise.all(others.map((slot) => slot.reload()));",
      "    }\n    await Promise.all(others.map((slot) => slot.reload()));",
      { tests: SUPERVISOR, filter: "leaves the other workers" },
    ],
  ]),
  ...mutantsOf("cli/pid_file.ts", PID_FILE, [
    [
      "a pid file that a running process holds is taken",
      "if (pid === process.pid || !isRunning(pid)) return;",
      "return;",
    ],
    [
      "another's pid file is removed",
      'if (readFileSync(this.#path, "utf8") === String(process.pid)) rmSync(this.#path);',
      "rmSync(this.#path);",
    ],
    [
      "a pid file that replaced its own is removed",
      "if (!this.#isInPlace()) return;",
      "",
    ],
    [
      "two that start at once both have the file",
      'const file = openSync(this.#lock, "wx", 0o644);',
      'const file = openSync(this.#lock, "w", 0o644);',
    ],
  ]),
  ...mutantsOf("cli/ipc.ts", IPC, [
    [
      "a record that comes in two pieces is lost",
      "    this.#rest = lines.pop()!;\n    for (const line of lines) this.#take(line);",
      "    lines.pop();\n    for (const line of lines) this.#take(line);",
    ],
    [
      "the end of a record that is too long is read as a record",
      "      this.#isSkipping = false;\n      return;",
      "      this.#isSkipping = false;",
    ],
  ]),
  ...mutantsOf("cli/dead_letters/command.ts", DEAD_LETTERS, [
    [
      "a requeue that was begun is not waited for at the end",
      "      await Promise.all(underWay);\n    } catch",
      "    } catch",
      { filter: "lists, shows, requeues" },
    ],
    [
      "Ctrl-C does not end a requeue",
      "if (this.#interruption.isRequested || this.#matched >= limit) break;",
      "if (this.#matched >= limit) break;",
      { filter: "Ctrl-C" },
    ],
    [
      "a dead letter too many",
      "if (this.#interruption.isRequested || this.#matched >= limit) break;",
      "if (this.#interruption.isRequested || this.#matched > limit) break;",
      { filter: "purges those of a RedisBroker" },
    ],
  ]),
];
