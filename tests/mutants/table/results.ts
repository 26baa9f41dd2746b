import { type Mutant, mutantsOf } from "../mutant.ts";

const RESULTS_TEST = "tests/results/middleware_test.ts";
const ROOM = "tests/results/result_waiters_test.ts";
const READS = "tests/results/batched_reads_test.ts";
const STUB_RESULTS = "tests/results/stub_test.ts";
const REDIS_WAITING = "tests/results/redis_waiting_test.ts";
const LIMITS = "tests/rate_limits/stub_test.ts";
const REDIS_LIMITS = "tests/rate_limits/redis_test.ts";
const MEMCACHED_LIMITS = "tests/rate_limits/memcached_test.ts";
const ROOMS = "tests/platform/key_waiters_test.ts";

/** Mistakes in results and rate limits. */
export const RESULTS: readonly Mutant[] = [
  ...mutantsOf("results/middleware.ts", RESULTS_TEST, [
    [
      "a message is acknowledged before its result is stored",
      "if (this.#isStored(broker, message)) return this.#storeResult(broker, message, result);",
      "if (this.#isStored(broker, message)) return void this.#storeResult(broker, message, result);",
    ],
    [
      "a message that is given back has a result",
      "if (reason instanceof WorkerLost || message.failed) return;",
      "if (message.failed) return;",
    ],
    [
      "a message that a hook failed has a result",
      "if (exception !== undefined || message.failed) return;",
      "if (exception !== undefined) return;",
      { stays: "the failure takes its place before the message is settled" },
    ],
    [
      "a failure is stored of a message that is retried",
      "  beforeNack(broker: Broker, message: MessageProxy)",
      "  beforeAck(broker: Broker, message: MessageProxy): void | Promise<void> {\n    if (message.retried) return this.beforeNack(broker, message);\n  }\n  beforeNack(broker: Broker, message: MessageProxy)",
    ],
    [
      "a failure is lost that could not be stored",
      'return storeFollowUp(broker, "the failure", message, () => {\n      return',
      "return Promise.resolve().then(() => {\n      return",
    ],
  ]),
  ...mutantsOf("results/result_waiters.ts", ROOM, [
    [
      "a result that comes during a look is missed",
      "if (entry.isStale) this.#read(entry);\n      else if",
      "if",
    ],
    [
      "nobody looks when telling ends",
      "const hasBegun = isNotified || this.#isNotified;",
      "const hasBegun = isNotified;",
    ],
    [
      "nobody looks when telling begins: what came before is missed",
      "const hasBegun = isNotified || this.#isNotified;",
      "const hasBegun = this.#isNotified && !isNotified;",
    ],
    ["a key for which nobody waits is scheduled on", "    this.#schedule.remove(key);\n", "", {
      stays: "a key without a entry is not read, and its timer ends by itself",
    }],
    [
      "the timer of a wait outlives it",
      "        clock.clearTimer(timer);\n        signal",
      "        signal",
    ],
    [
      "one waiter that leaves takes the others' entry",
      "!entry.waiters.delete(waiter) || entry.waiters.size > 0) return;",
      "!entry.waiters.delete(waiter)) return;",
    ],
    [
      "an error that passes ends all waits",
      "if (!this.#options.isTransient(error)) {",
      "if (true) {",
    ],
    [
      "a look that fails is the last one",
      "this.#schedule.add(entry.key, entry.polls++);\n    }\n  }\n}",
      "}\n  }\n}",
    ],
  ]),
  ...mutantsOf("results/batched_reads.ts", READS, [
    [
      "a failed read leaves the others of its batch waiting",
      "for (const { reject } of readings) reject(error);",
      "readings[0]!.reject(error);",
    ],
    [
      "a read that comes while a batch is full is lost",
      "if (this.#batches.get(server) !== batch) return; // it was full, and sent before\n",
      "",
    ],
    [
      "what is read during a fetch joins the fetch under way",
      "    this.#batches.delete(server);\n    const readings",
      "    const readings",
    ],
  ]),
  ...mutantsOf("results/backend.ts", [STUB_RESULTS, READS], [
    [
      "a wait on this backend does not hear of what it stores",
      "return stored.then(() => this.#waiters.notify([key]));",
      "return stored;",
    ],
    [
      "waiters are told before the result is stored",
      "    return stored.then(() => this.#waiters.notify([key]));",
      "    this.#waiters.notify([key]);\n    return stored;",
    ],
    [
      "a backend that was closed goes on trying to read",
      "const isOver = this.#isClosed || signal?.aborted ||",
      "const isOver = signal?.aborted ||",
    ],
    ["a server that is away is asked for ever", "|| monotonicTime(this.clock) >= giveUpAt;", ";"],
    ["close leaves whoever waits", "this.#waiters.close(closed());", ""],
  ]),
  ...mutantsOf("results/backends/redis.ts", REDIS_WAITING, [
    ["close drops results that are on their way", "    await this.#stores.emptied();\n", "", {
      filter: "is under way when it is closed",
    }],
  ]),
  ...mutantsOf("clients/redis/invalidations.ts", REDIS_WAITING, [
    [
      "a connection that is lost is not noticed by its end",
      'client.on("end", () => this.lost(undefined, client));',
      "",
      { filter: "killed under waiters", stays: "the ping of each second finds it, too" },
    ],
    [
      "a silent connection is not asked",
      "client.callBuffer(...command).catch((error) => this.lost(error, client));",
      "void command;",
      {
        filter: "half-open under waiters",
        stays:
          "it takes one half-open connection beside a good one; an outage of both is noticed by the other",
      },
    ],
    [
      "nobody looks when it is no longer told of results",
      "if (wasTracking) this.#options.down?.();",
      "",
      {
        filter: "killed under waiters",
        stays:
          "when it is told again it looks at everything: what came meanwhile is only seen later",
      },
    ],
  ]),
  ...mutantsOf("rate_limits/slot.ts", LIMITS, [
    [
      "a slot is given back twice",
      "    this.#giveBack = undefined; // only once\n",
      "",
    ],
  ]),
  ...mutantsOf("rate_limits/rate_limiter.ts", LIMITS, [
    [
      "a slot is not given back when the work throws",
      "    } finally {\n      await slot.release();\n    }",
      "    } catch (error) {\n      throw error;\n    }",
    ],
  ]),
  ...mutantsOf("rate_limits/leased_slot.ts", "tests/rate_limits/leased_slot_test.ts", [
    [
      "a lease is held that nobody has renewed in time",
      "this.#end = clock.setTimer(() => this.#lost(), left);",
      "this.#end = undefined;",
    ],
    [
      "a lease that has ended on the way is granted",
      "if (left > 0) return new LeasedSlot(options, holder, left);",
      "return new LeasedSlot(options, holder, left);",
    ],
    [
      "a renewal that is refused counts",
      "      if (!isHeld) this.#lost();\n      else if (left > 0)",
      "      if (left > 0)",
    ],
    [
      "a renewal comes after the release",
      'if (this.#state !== "held") return await this.#giveBack();',
      "",
    ],
    [
      "one attempt to renew is all",
      "      this.#renewal = clock.setTimer(() => void this.#renew(), ttl / ATTEMPTS);\n",
      "",
    ],
  ]),
  ...mutantsOf("rate_limits/window.ts", "tests/rate_limits/leased_slot_test.ts", [
    [
      "what comes late counts from when it was granted",
      "if (monotonicTime(this.#clock) - asked <= window * 1_000 * LATE) return true;",
      "return true;",
    ],
  ]),
  ...mutantsOf("rate_limits/backends/memcached_leases.ts", MEMCACHED_LIMITS, [
    [
      "a lease that is taken again takes another place",
      "if (own !== undefined) {",
      "if (own !== undefined && limit === 0) {",
    ],
  ]),
  ...mutantsOf("rate_limits/take_in_time.ts", "tests/rate_limits/take_in_time_test.ts", [
    [
      "a slot of a span that is over counts",
      "if (present() === span) return true;",
      "return true;",
    ],
    ["a slot that came too late is kept", "    await giveBack?.(span);\n", ""],
  ]),
  ...mutantsOf("rate_limits/barrier.ts", LIMITS, [
    [
      "one party too few lets a barrier open",
      "this.backend.decr(this.key, 1, 1, this.ttl)",
      "this.backend.decr(this.key, 1, 2, this.ttl)",
    ],
    [
      "the last party wakes nobody",
      "if (!isEarly) return await this.backend.waitNotify(this.key, this.ttl);",
      "if (!isEarly) return true;",
    ],
  ]),
  ...mutantsOf("rate_limits/backends/stub.ts", LIMITS, [
    [
      "one more than the maximum",
      "const value = (this.#get(key) ?? 0) + amount;\n    if (value > maximum) return false;",
      "const value = (this.#get(key) ?? 0) + amount;\n    if (value > maximum + 1) return false;",
    ],
    [
      "a member that ends twice counts twice",
      "if (this.#add(`${group}@member:${member}`, 1, ttl)) {",
      "if (this.#add(`${group}@member:${member}`, 1, ttl) || true) {",
    ],
    [
      "two members send the callbacks",
      'return this.#add(`${group}@claim`, 1, CLAIM_TIME) ? "complete" : "claimed";',
      'this.#add(`${group}@claim`, 1, CLAIM_TIME);\n    return "complete";',
    ],
    [
      "whoever comes after the signal waits for it",
      "return this.#get(eventsKey(key)) !== undefined ||\n      await",
      "return await",
    ],
  ]),
  ...mutantsOf("rate_limits/backends/memcached.ts", MEMCACHED_LIMITS, [
    [
      "what was refused stays counted",
      "if (value <= maximum) return true;\n    await this.#connection.decrement(key, amount);",
      "if (value <= maximum) return true;",
    ],
    [
      "of several who come together, too many get in",
      "isWithin = value <= maximum && await this.#sum(keys) <= maximum;",
      "isWithin = value <= maximum;",
    ],
  ]),
  ...mutantsOf("rate_limits/backends/memcached_groups.ts", MEMCACHED_LIMITS, [
    [
      "a member whose answer was lost counts twice",
      "if (left === 0 || last === id || items.has(mark))",
      "if (left === 0 || items.has(mark))",
    ],
    [
      "the mark of the last member is left to chance",
      'if (last !== undefined) await this.#connection.set(markOf(group, last), "1", options);',
      "",
    ],
    [
      "a counter that somebody else has changed is overwritten",
      "if (!await this.#connection.replace(group, next, counter.version, options)) continue;",
      "await this.#connection.set(group, next, options);",
    ],
  ]),
  ...mutantsOf("rate_limits/backends/redis_scripts.ts", REDIS_LIMITS, [
    [
      "a barrier's member that ends twice counts twice",
      "if redis.call('HSETNX', KEYS[2], 'm:' .. ARGV[1], 1) == 1 then",
      "redis.call('HSETNX', KEYS[2], 'm:' .. ARGV[1], 1)\nif true then",
    ],
    [
      "a claim is never over",
      "if tonumber(redis.call('HGET', KEYS[2], 'claim') or 0) > now then",
      "if redis.call('HGET', KEYS[2], 'claim') then",
    ],
  ]),
  ...mutantsOf(
    "rate_limits/backends/redis_counters.ts",
    "tests/rate_limits/redis_counters_test.ts",
    [
      [
        "a count that Redis refuses counts as refused by the limit",
        "one === FAILED ? this.#runAlone(script, key, args) : one",
        "one",
      ],
      [
        "a count overtakes those that wait",
        "if (this.#underWay === 0 && this.#batch.length === 0) return",
        "if (this.#underWay === 0) return",
        { stays: "while a batch waits for its turn, the call before it is mostly under way" },
      ],
    ],
  ),
  ...mutantsOf("rate_limits/backends/event_lists.ts", "tests/rate_limits/event_lists_test.ts", [
    [
      "looks pile up while the server is away",
      "if (watch.isLooking) return; // while the server is unavailable, one check lasts until it is back",
      "",
    ],
    [
      "lists are looked at for which nobody waits",
      "    this.#watches.delete(list);\n    if (this.#watches.size > 0) return;",
      "    if (this.#watches.size > 0) return;",
    ],
  ]),
  ...mutantsOf("platform/key_waiters.ts", ROOMS, [
    ["the timer of a wait outlives it", "        this.#clock.clearTimer(timer);\n", ""],
    ["one waiter that leaves takes the others along", "    if (waiters.size > 0) return;\n", ""],
  ]),
];
