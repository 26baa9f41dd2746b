import { type Mutant, mutantsOf } from "../mutant.ts";

const PROMETHEUS_TEST = "tests/middleware/prometheus_test.ts";
const MEMBER = "tests/middleware/prometheus_member_test.ts";
const FOLDER = "tests/middleware/prometheus_folder_test.ts";
const HOSTILE = "tests/hostile/metrics_folder_test.ts";
const PROCESSES = "tests/middleware/prometheus_processes_test.ts";
const SERVER = "tests/middleware/prometheus_server_test.ts";
const GAUGES = "tests/control/gauges_test.ts";

/** Mistakes in what counts for Prometheus, and in how processes add up. */
export const PROMETHEUS: readonly Mutant[] = [
  ...mutantsOf("middleware/prometheus.ts", [PROMETHEUS_TEST, MEMBER], [
    [
      "a message that was given up before it began stays in progress",
      "if (message.interruptReason !== undefined) return;",
      "",
    ],
    [
      "a message that was given back counts as a run",
      "if (reason instanceof WorkerLost) return void this.#leave(message);",
      "",
    ],
    [
      "a retry is counted though none was sent",
      "if (message.retried) this.#series.of",
      "this.#series.of",
    ],
    [
      "a clock that was set back takes time off the sum",
      "at: monotonicTime(broker.clock) };",
      "at: broker.clock.now() };",
    ],
    [
      "the first worker that stops ends the metrics of all",
      "    if (this.#workers > 0) return;\n",
      "",
      { tests: [SERVER, MEMBER] },
    ],
    [
      "a worker of a program of one's own ends what it serves",
      "if (this.#isBooted) await this[Symbol.asyncDispose]()",
      "await this[Symbol.asyncDispose]()",
      { tests: [SERVER, MEMBER] },
    ],
    [
      "serve cannot be called again after a failure",
      "      this.#member = undefined;\n      throw error;",
      "      throw error;",
      { tests: [SERVER, MEMBER] },
    ],
    [
      "a declared actor has no counters before its first message",
      "    this.#series.declare(actorName, queueName, ZERO_COUNTERS);\n",
      "",
    ],
    ["a change is not seen: an old text is served", "    this.#series.changes += 1;\n", ""],
  ]),
  ...mutantsOf("middleware/prometheus/folder.ts", FOLDER, [
    [
      "what was retired meanwhile is counted twice",
      "for (const member of retired.members) found.delete(member);",
      "",
    ],
    [
      "what was retired is read before the members",
      `    const found = new Map<string, Counts>();
    for (const member of members) {
      const counts = await readMember(this.#path, member);
      if (counts !== undefined) found.set(member, counts);
    }
    const retired = await readRetired(this.#path);
`,
      `    const retired = await readRetired(this.#path);
    const found = new Map<string, Counts>();
    for (const member of members) {
      const counts = await readMember(this.#path, member);
      if (counts !== undefined) found.set(member, counts);
    }
`,
      { stays: "it takes a process that retires another between two reads of the same request" },
    ],
    [
      "gauges of the dead are served",
      "isAlive(this.#path, member) ? counts : countsOfDead(counts)",
      "counts",
      { tests: PROCESSES },
    ],
    [
      "an older write overtakes a newer one",
      "const written = this.#writing.catch(() => {}).then(() => this.#write(counts));",
      "const written = this.#write(counts);",
    ],
    [
      "a write that failed stops all later ones",
      "this.#writing.catch(() => {}).then",
      "this.#writing.then",
    ],
    [
      "a process whose folder was deleted never writes again",
      "if (!await this.#isInPlace()) await this.#joinAgain();",
      "",
    ],
    [
      "the metrics in another's folder are served",
      "    if (!await this.#isInPlace()) return [];\n",
      "",
      { tests: [HOSTILE] },
    ],
    [
      "what could not be written counts as written",
      "    await replace(join(this.#path, `${this.#place.member}.json`), await toJson(counts));\n    this.#stored = counts;",
      "    this.#stored = counts;\n    await replace(join(this.#path, `${this.#place.member}.json`), await toJson(counts));",
    ],
  ]),
  ...mutantsOf("middleware/prometheus/place.ts", FOLDER, [
    [
      "those who joined and have not written are taken for dead",
      "if (isRunning) await retire(path, members);\n    else await clear(path);",
      "await clear(path);",
    ],
    [
      "two who join at a time retire the same member twice",
      "const door = await enter(join(path, DOOR));",
      "const door = { release() {} };",
    ],
    [
      "a member of whom the retired file tells already is added again",
      "!retired.members.includes(member) && !isAlive(path, member)",
      "!isAlive(path, member)",
      { stays: "its file was removed just before, so that nothing is added" },
    ],
    [
      "the old file of a process that joins again is counted as that of a dead one",
      "if (previous !== undefined) await removeMembers(path, [previous]);",
      "",
    ],
  ]),
  ...mutantsOf("middleware/prometheus/private_files.ts", FOLDER, [
    [
      "what has taken the place of the folder is used",
      "return found !== undefined && found.dev === opened.dev",
      "return true || found!.dev === opened.dev",
      { tests: [HOSTILE] },
    ],
    [
      "a reader sees half of a file",
      '  await writeFile(draft, text, { flag: "wx", mode: 0o600 });\n  await rename(draft, path);',
      "  await writeFile(path, text, { mode: 0o600 });",
    ],
  ]),
  ...mutantsOf("middleware/prometheus/member.ts", MEMBER, [
    [
      "a process that stops does not write its last counts",
      '    await this.#try("write", () => this.#write());\n',
      "",
    ],
    [
      "a process that stops keeps the lock",
      "    this.#lock?.release();\n    this.folder.leave();",
      "    this.folder.leave();",
    ],
    [
      "two processes have the lock after its file was deleted",
      "if (this.#lock?.isInPlace === false) {",
      "if (this.#lock === null) {",
    ],
    [
      "two steps run at the same time",
      "if (!this.#isStepping && performance.now() >= this.#restsUntil) this.#step = this.#takeStep();",
      "this.#step = this.#takeStep();",
    ],
    [
      "the same error is logged every second",
      "    if (this.#failures.get(action) === reason) return;\n",
      "",
    ],
  ]),
  ...mutantsOf("control/gauge_reader.ts", GAUGES, [
    [
      "a broker that does not answer keeps the answer waiting",
      "await Promise.race([readGauges(this.#broker, inspector, options), late])",
      "await readGauges(this.#broker, inspector, options)",
    ],
    ["a broker is asked for each request", "if (now - this.#readAt >= MAX_AGE &&", "if ("],
    [
      "a hanging store is asked again and again",
      "MAX_AGE && this.#unsettled === 0) {",
      "MAX_AGE) {",
    ],
    [
      "an inspector that never closes keeps the answer waiting",
      "await Promise.race([own[Symbol.asyncDispose](), late]);",
      "await own[Symbol.asyncDispose]();",
    ],
    [
      "a refusal counts as an outage",
      "const isDown = error instanceof ReadTimeout ||",
      "const isDown = true ||",
    ],
    ["an outage is no outage", "return [upGauge(isDown ? 0 : 1)]", "return [upGauge(1)]"],
    [
      "the connection for gauges stays open",
      "if (this.#options.keepsOpen?.() !== true) await this.#closeSoon();",
      "",
    ],
    [
      "the connection for gauges is closed under a worker",
      "if (this.#options.keepsOpen?.() !== true) await",
      "await",
    ],
  ]),
  ...mutantsOf("control/broker_gauges.ts", GAUGES, [
    [
      "schedules are read where there are none",
      "(broker.schedules.size > 0 || workers?.some((one) => one.schedules !== undefined))",
      "true",
    ],
    [
      "a sender counts as a worker",
      "reporting.filter((one) => one.state === state)",
      "workers.filter((one) => one.state === state)",
      { tests: [SERVER] },
    ],
    [
      "an empty queue has no age",
      "if (headSince === undefined && ready !== 0) return [];",
      "if (headSince === undefined) return [];",
    ],
  ]),
  ...mutantsOf("control/schedule_delays.ts", GAUGES, [
    ["a paused schedule is late", "if (paused.has(name) || state", "if (state"],
    [
      "a message that is being published is not late",
      "return sending === undefined ?",
      "return true ?",
    ],
  ]),
];
