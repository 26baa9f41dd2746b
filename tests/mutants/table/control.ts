import { type Mutant, mutantsOf } from "../mutant.ts";

const CLAIMS_ON_REDIS = "tests/control/redis_broker_test.ts";
const REDIS = "tests/control/redis_test.ts";
const SQLITE = "tests/control/sqlite_test.ts";
const STUB = "tests/control/stub_test.ts";
const STUB_BROKER = "tests/control/stub_broker_test.ts";
const SCHEDULER = "tests/control/scheduler_test.ts";
const DEFINITIONS = "tests/control/scheduler_definitions_test.ts";
const TICK_MESSAGES = "tests/control/scheduler_messages_test.ts";
const ABORTS = "tests/control/abort_events_test.ts";
const UNIQUE = "tests/control/unique_test.ts";
const SUSPECTS = "tests/worker/suspects_test.ts";

/** Mistakes in the control stores, and in what workers do with them. */
export const CONTROL: readonly Mutant[] = [
  ...mutantsOf("control/backends/stub.ts", STUB, [
    [
      "of two changes the first is applied though the second may not be",
      "const applied = checked.every(",
      "const applied = checked.some(",
    ],
    [
      "an entry is kept for as long as the one before it",
      "const expiresAt = now + ttl;",
      "const expiresAt = (this.#entries.get(key)?.expiresAt ?? now) + ttl;",
    ],
    ["watchers hear of entries of workers", "if (!isWatched(key)) return;", ""],
    [
      "single entries are given in the order of the question",
      "entries: keys.toSorted().map(",
      "entries: keys.map(",
    ],
  ]),
  ...mutantsOf("control/backends/redis_scripts.ts", REDIS, [
    [
      "an entry is changed before its time",
      "local isEarly = ARGV[i + 4] ~= '' and tonumber(ARGV[i + 4]) > now",
      "local isEarly = false",
    ],
    [
      "an entry that is renewed without an end expires",
      "elseif before ~= '' then",
      "elseif before == key then",
    ],
    [
      "what is removed is found by its version",
      "known[key] = ''",
      "known[key] = known[key] or ''",
      {
        tests: CLAIMS_ON_REDIS,
        stays: "who removes an entry by its version does not look at it again",
      },
    ],
    [
      "a claim of another message is stored over",
      "if redis.call('HSETNX', claims, ARGV[5], text) == 1 then",
      "if redis.call('HSET', claims, ARGV[5], text) then",
      { tests: CLAIMS_ON_REDIS, filter: "one of its key waits" },
    ],
    [
      "an unwatched entry that is changed twice in a millisecond keeps its version",
      "math.max(now, (tonumber(string.match(before, '^%d+')) or 0) + 1)",
      "now",
      { filter: "ifVersion holds" },
    ],
    [
      "claims are kept among what each worker reads",
      "then return claims end",
      "then return workers end",
    ],
    [
      "a watcher that is far behind misses what it was not told",
      "tonumber(seen) < tonumber(first) - 1",
      "false",
      { filter: "thousands" },
    ],
    [
      "after a flush versions are given twice",
      "redis.call('SET', counter, now)",
      "redis.call('SET', counter, 0)",
      { filter: "no version twice" },
    ],
  ]),
  ...mutantsOf("control/backends/redis.ts", REDIS, [
    [
      "a conditional change is repeated when its reply is lost",
      "checked.every(({ ifVersion }) => ifVersion === undefined)",
      "checked.length >= 0",
      {
        stays:
          "that a reply is lost at that moment has no test: what a second try finds is another version",
      },
    ],
    [
      "a read does not tell the watch from where on to look",
      "this.#watch.note(String(version));",
      "void version;",
    ],
  ]),
  ...mutantsOf("control/backends/redis_watch.ts", REDIS, [
    [
      "what changes during a look is not seen",
      "while (this.#isOutdated && isRunning()) {",
      "if (this.#isOutdated) {",
      {
        stays: "the subscription that follows each look tells of it at once",
      },
    ],
    ["a gap is not told", "if (isGap) this.#options.reset();", ""],
    ["without tracking nothing is looked for", "|| !notifier.isTracking", ""],
  ]),
  ...mutantsOf("control/backends/sqlite.ts", SQLITE, [
    [
      "a single entry is read though it has expired",
      "(expires is null or expires>?) and key=?",
      "(expires is null or expires+1e15>?) and key=?",
    ],
    ["an entry is changed before its time", "now >= notBefore && (ifVersion", "(ifVersion"],
    [
      "a file that was replaced is taken for the same",
      "seen === undefined || seen.epoch !== epoch ||",
      "seen === undefined ||",
    ],
    [
      "nobody is woken by a change",
      "if (outcome.applied && checked.length > 0) this.#connection.notifier.notify();",
      "",
    ],
    [
      "what was removed long ago is told as removed again",
      "seen.version < version - REMOVALS_KEPT",
      "false",
    ],
  ]),
  ...mutantsOf("control/view.ts", STUB_BROKER, [
    [
      "what is told while entries are being read is lost",
      "for (const entry of pending) this.#apply(entry);",
      "",
      { tests: "tests/control/view_test.ts" },
    ],
    [
      "an older entry replaces a younger one",
      "known.version > version) return;",
      "false) return;",
      { tests: "tests/control/view_test.ts" },
    ],
    [
      "an entry that is gone at a second read stays",
      "if (!found.has(key)) this.#apply({ key, value: null, version });",
      "",
      {
        tests: "tests/control/view_test.ts",
      },
    ],
  ]),
  ...mutantsOf("worker/control_link.ts", STUB_BROKER, [
    [
      "a pause until a time goes on",
      "const resume = () => this.#pauseChanged(key, undefined);",
      "const resume = () => {};",
      { filter: "pause" },
    ],
    [
      "a pause that is over counts when a worker boots",
      "const pause = left > 0 ? stored : undefined;",
      "const pause = stored;",
      {
        tests: "tests/worker/control_link_test.ts",
      },
    ],
    [
      "what was prefetched of a paused actor runs",
      "if (isPaused) this.#worker.actorPaused();",
      "",
      { filter: "pause" },
    ],
    ["a size is told though it is the same", "if (concurrency === this.#concurrency) return;", "", {
      stays: "the worker looks itself whether its size changes",
    }],
  ]),
  ...mutantsOf("worker/paused_actors.ts", STUB_BROKER, [
    [
      "a message of a paused actor is taken for one that is done",
      'settlement.settle(message, "retried");',
      'settlement.settle(message, "done");',
      {
        filter: "pause of an actor",
        stays: "both are acknowledged; hooks read `retried` of the message, which is set before",
      },
    ],
    ["a delayed message counts as finished", "message.markRetried();", "", {
      filter: "pause of an actor",
    }],
    [
      "a message that cannot be delayed is lost",
      'settlement.settle(message, "followUpNotStored");',
      'settlement.settle(message, "done");',
      {
        tests: "tests/worker/paused_actors_test.ts",
      },
    ],
    [
      "delays do not grow with the pause",
      "Math.max(now - pause.since, DELAYS.least)",
      "DELAYS.least",
      {
        tests: "tests/worker/paused_actors_test.ts",
      },
    ],
    [
      "a message is delayed beyond the end of the pause",
      "Math.max(0, Math.min(delay, pause.until - now))",
      "delay",
      {
        tests: "tests/worker/paused_actors_test.ts",
      },
    ],
  ]),
  ...mutantsOf("control/pauses.ts", STUB_BROKER, [
    [
      "a pause outlives its end",
      ": until === undefined ? undefined : until - now;",
      ": undefined;",
      { tests: "tests/control/pauses_test.ts" },
    ],
    [
      "resume tells that anything was paused",
      "const wasPaused = await readEntry(store, key) !== undefined;",
      "const wasPaused = true;",
      { filter: "pause" },
    ],
  ]),
  ...mutantsOf("control/sizes.ts", STUB_BROKER, [
    [
      "what is said to all wins over what is said to one",
      "this.#known.get(this.#worker) ?? this.#known.get(ALL)",
      "this.#known.get(ALL) ?? this.#known.get(this.#worker)",
      { filter: "setConcurrency" },
    ],
    ["a size that was taken back stays", "else this.#known.delete(worker);", "", {
      filter: "setConcurrency",
    }],
  ]),
  ...mutantsOf("worker/worker_report.ts", "tests/worker/worker_report_test.ts", [
    [
      "a worker that stopped stays on the list",
      "this.#change([{ key: this.#key, value: null }])",
      "Promise.resolve()",
    ],
    [
      "a worker that was killed stays on the list for ever",
      "...(!isInMemory && { ttl: TTL })",
      "",
    ],
  ]),
  ...mutantsOf("core/cancellations.ts", "tests/core/cancellations_test.ts", [
    [
      "a message that was requeued is cancelled again",
      "own !== undefined && !isUndone(message, own)",
      "own !== undefined",
    ],
    [
      "a cancellation of an actor drops messages of others",
      "if (one.actor !== undefined && one.actor !== message.actorName) continue;",
      "",
    ],
    [
      "a cancellation of a queue drops messages of others",
      "if (one.queue !== undefined && one.queue !== canonicalQueueName(message.queueName)) continue;",
      "",
    ],
    [
      "what is sent after a cancellation is dropped",
      "if (message.messageTimestamp < one.before!) return one;",
      "return one;",
    ],
    [
      "a cancellation that was taken back holds",
      "if (cancellation === undefined) this.#ids.delete(messageId);",
      "if (cancellation === undefined) void messageId;",
    ],
  ]),
  ...mutantsOf("control/abort_events.ts", ABORTS, [
    [
      "an abort does not win over a cancellation of what waits",
      "if (known !== undefined && (waitingOnly || !isWeaker)) return;",
      "if (known !== undefined) return;",
    ],
    ["an event of Python is told back", "|| originOf(entry) === ORIGIN) return;", ") return;"],
    [
      "a running actor is stopped by a cancellation of what waits",
      "...(waitingOnly && { waitingOnly }),",
      "",
    ],
  ]),
  ...mutantsOf("control/prefix_watch.ts", ABORTS, [
    ["what was there before is not heard of", "await this.#scan(client);", ""],
  ]),
  ...mutantsOf("control/schedule_runner.ts", SCHEDULER, [
    ["a new schedule fires the past", "Math.max(state?.tick ?? 0, since ?? now)", "0"],
    [
      "a tick is fired before its time by the clock of the store",
      "this.#entry.changeTo(next, tick),",
      "this.#entry.changeTo(next, 0),",
      {
        tests: [SCHEDULER, STUB_BROKER],
        stays:
          "workers wait for the tick by the offset that each answer of the store corrects: the periodic torture has clocks that are wrong",
      },
    ],
    [
      "missed ticks are all fired at once",
      'if (missed !== "all" || next === latest) return await this.#fire(settled, latest);',
      "return await this.#fire(settled, next);",
    ],
    [
      "late ticks are fired though they are to be skipped",
      'if (missed === "skip" && now - latest > grace) {',
      'if (missed === "skip" && now - latest > 1e15) {',
    ],
    [
      "ticks of a pause are made up",
      'if (this.#owner.isPaused(name)) return await this.#skip(settled, latest, "it is paused");',
      "",
      {
        tests: STUB_BROKER,
        stays: "the entry of the pause refuses them in the step that stores them",
      },
    ],
    [
      "more than a hundred are made up",
      "if (count < MOST_MADE_UP) {",
      "if (count <= MOST_MADE_UP) {",
    ],
    [
      "a tick that another worker claimed is published at once, too",
      "if (now < since + SENDING_TIMEOUT) return since + SENDING_TIMEOUT;",
      "",
      { tests: TICK_MESSAGES },
    ],
    [
      "a message that is refused holds up its schedule",
      'await this.#skip(refused, others.tick, refusalOf(error), "error");',
      "",
      { tests: TICK_MESSAGES },
    ],
  ]),
  ...mutantsOf("control/run_marks.ts", TICK_MESSAGES, [
    ["a message that is retried counts as finished", "if (message.retried) return;", "", {
      tests: STUB_BROKER,
      filter: "retried",
    }],
    [
      "a message that is stored twice runs twice",
      "if (await this.#change(changes) === false) {",
      "if (await this.#change(changes) === undefined) {",
    ],
    [
      "a mark is never renewed",
      "this.#timer ??= this.#broker.clock.setTimer(() => this.#renew(), RENEWAL_INTERVAL);",
      "",
    ],
  ]),
  ...mutantsOf("control/fleet_schedules.ts", DEFINITIONS, [
    [
      "of two definitions the older one fires",
      "bootedAt > youngest.bootedAt ||",
      "bootedAt < youngest.bootedAt ||",
    ],
    [
      "a worker that is dead fires for ever",
      "if (!alive.has(id) && id !== self) this.remove(id);",
      "",
    ],
    ["what a dead worker had left is not made up", "return departed.seenAt;", "return undefined;"],
  ]),
  ...mutantsOf("control/store_clock.ts", SCHEDULER, [
    [
      "an answer that was read late sets the clock back",
      "Math.min(Math.max(this.#offset ?? least, least), most)",
      "least",
    ],
  ]),
  ...mutantsOf("worker/waiting_jobs.ts", SUSPECTS, [
    [
      "others start beside a blamed message",
      "if (this.#runningSuspect !== undefined) return undefined;",
      "",
    ],
    [
      "a blamed message holds up its worker for ever",
      "if (this.#runningSuspect === job) this.#runningSuspect = undefined;",
      "",
    ],
  ]),
  ...mutantsOf("core/suspicion.ts", SUSPECTS, [
    [
      "deaths before a retry are forgotten",
      "deathsBefore(message) + (message.suspicion?.deaths ?? 0)",
      "message.suspicion?.deaths ?? 0",
    ],
    [
      "a message that may kill any number of workers is given up",
      "if (own === null) return Infinity;",
      "",
    ],
    [
      "one that is only suspected is blamed",
      "message.suspicion !== undefined && deathsOf(message) > 0",
      "message.suspicion !== undefined",
    ],
  ]),
  ...mutantsOf("core/claim_release.ts", STUB_BROKER, [
    [
      "a message that is retried ends its claim",
      "if (!message.retried && this.#isUntil",
      "if (this.#isUntil",
      { filter: "unique message" },
    ],
    [
      "a message that failed keeps its claim",
      "afterNack(_broker: unknown, message: D)",
      "afterNackNot(_broker: unknown, message: D)",
      { filter: "unique message" },
    ],
    [
      "a claim until the start lasts until the end",
      'if (!this.#isUntil(message, "started")) return;',
      "return;",
      { filter: "unique message" },
    ],
  ]),
  ...mutantsOf("core/unique.ts", UNIQUE, [
    ["a key that is not finite is taken", "Number.isFinite(key)", "true"],
    [
      "the order of keyword arguments makes another key",
      ".toSorted(([a], [b]) => a < b ? -1 : 1)",
      "",
    ],
    ["a long key is kept as it is", "key.length <= LONGEST_KEY ? key", "key.length >= 0 ? key", {
      stays: "it only makes entries longer",
    }],
  ]),
];
