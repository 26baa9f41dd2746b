import { type Mutant, mutantsOf } from "../mutant.ts";

const folder = "tests/brokers/redis";
const CLOSING = `${folder}/closing_test.ts`;
const COALESCING = `${folder}/coalescing_test.ts`;
const CONSUMED = `${folder}/consumed_queue_test.ts`;
const DEAD = `${folder}/dead_letters_test.ts`;
const LEASE = `${folder}/lease_test.ts`;
const LOST = `${folder}/lost_answers_test.ts`;
const HEARTBEAT = `${folder}/heartbeat_test.ts`;
const OUTAGES = `${folder}/outages_test.ts`;
const BATCHER = "tests/clients/redis/batcher_test.ts";
const PROMOTION = `${folder}/promotion_test.ts`;
const SCRIPTS = `${folder}/guards_in_scripts_test.ts`;
const SILENT = `${folder}/silent_test.ts`;
const TAKEOVER = `${folder}/takeover_test.ts`;

/** Mistakes in the Redis broker: leases, take-overs, sending, scripts. */
export const REDIS: readonly Mutant[] = [
  ...mutantsOf("brokers/redis/redis_broker.ts", CLOSING, [
    ["close cuts sends that were not awaited", "    await this.#batchers.emptied();\n", ""],
    [
      "close does not wait for its consumers",
      "await Promise.allSettled(consumers.map((consumer) => consumer.close()));",
      "void Promise.allSettled(consumers.map((consumer) => consumer.close()));",
    ],
    [
      "a broker that was closed leaves its heartbeat",
      "if (connection.isUp) await this.#heartbeat.leave().catch(() => {});",
      "",
      { tests: TAKEOVER, filter: "drops them" },
    ],
    ["a promoted message is acknowledged besides", "    delivery.isPromoted = true;\n", "", {
      tests: COALESCING,
      filter: "sorts and promotes",
      stays: "the promotion has taken its id away: it costs a call, and changes nothing",
    }],
  ]),
  ...mutantsOf("core/lease.ts", LEASE, [
    [
      "a late heartbeat heals a lost lease",
      "if (sentAt < this.#resetAt || this.isLost) return;",
      "if (sentAt < this.#resetAt) return;",
    ],
    [
      "a heartbeat from before the loss begins a new lease",
      "if (sentAt < this.#resetAt || this.isLost) return;",
      "if (this.isLost) return;",
    ],
    [
      "an earlier heartbeat shortens the lease",
      "if (this.#endsAt === Infinity || endsAt > this.#endsAt) this.#endsAt = endsAt;",
      "this.#endsAt = endsAt;",
    ],
    [
      "the lease lasts one moment too long",
      "this.now >= this.#endsAt;",
      "this.now > this.#endsAt;",
    ],
    [
      "a lease that was lost is held again when nobody looked",
      "this.#isLost ||= this.#endsAt",
      "this.#isLost = this.#endsAt",
      { stays: "renew looks before it moves the end, so that nothing can move it in between" },
    ],
  ]),
  ...mutantsOf("brokers/redis/lease.ts", LEASE, [
    [
      "a loss is told to one queue only",
      "for (const queue of queues) queue.fail(leaseLost(queue.name, lease.duration));",
      "for (const queue of queues) {\n    queue.fail(leaseLost(queue.name, lease.duration));\n    break;\n  }",
      { tests: [LEASE, CONSUMED] },
    ],
  ]),
  ...mutantsOf("brokers/redis/heartbeat.ts", HEARTBEAT, [
    [
      "a take-over by another worker is not noticed",
      "if (lease.isLost || (wasKnown === 0 && wasHeld)) {",
      "if (lease.isLost) {",
    ],
    [
      "a heartbeat that comes back late renews the lease",
      "if (lease.isLost || (wasKnown === 0 && wasHeld)) {",
      "if (wasKnown === 0 && wasHeld) {",
      { stays: "renew refuses a lease that is lost, and the next heartbeat tells of it" },
    ],
    [
      "a lease counts from the answer of a heartbeat",
      "    lease.renew(sentAt);\n",
      "    lease.renew(lease.now);\n",
    ],
    [
      "a worker that was away takes over at once from others that were",
      "someAreDead && connection.upFor >= RECONNECT_GRACE",
      "someAreDead",
    ],
    [
      "the heartbeat goes on after the close",
      "if (!this.#isRunning) return;\n    // Random",
      "// Random",
    ],
  ]),
  ...mutantsOf("brokers/redis/recovery.ts", TAKEOVER, [
    [
      "a second recovery runs at the same time",
      "if (locked === null) return;",
      "void locked;",
    ],
    ["a recovery takes over from itself", ".filter((id) => id !== brokerId);", ";"],
    [
      "messages of queues that are not known here stay with the dead",
      "for (const [id, queueName] of await this.#findUnacknowledged(new Set(dead))) {",
      "for (const [id, queueName] of [] as [string, string][]) {",
    ],
    [
      "one batch of a dead worker is taken over only",
      "while (left > 0) {\n      left = await",
      "if (left > 0) {\n      left = await",
    ],
    [
      "a scan ends with its first page",
      'cursor = next.toString();\n    } while (cursor !== "0");',
      "cursor = next.toString();\n    } while (false);",
    ],
  ]),
  ...mutantsOf("brokers/redis/lost_deliveries.ts", [CONSUMED, LOST], [
    [
      "a message that arrives between two looks counts as lost",
      "for (const { id } of deliveries) this.#candidates.ids.delete(id);",
      "void deliveries;",
    ],
    [
      "what is on its way counts as lost",
      "if (before === undefined || before.fetches.some((one) => fetches.includes(one))) return;",
      "if (before === undefined) return;",
    ],
    ["what is held counts as lost", ".filter((id) => !held.has(id));", ";"],
    [
      "one look is enough to count as lost",
      "const lost = unheld.filter((id) => before.ids.has(id));",
      "const lost = unheld;",
    ],
  ]),
  ...mutantsOf("clients/redis/batcher.ts", BATCHER, [
    [
      "an item overtakes those that wait",
      "if (this.#unsettled.size === 0 && !hasLargeArgument(args)) return",
      "if (!hasLargeArgument(args)) return",
    ],
    [
      "emptied does not know of an item that was sent at once",
      "    this.#unsettled.add(sent);\n",
      "",
    ],
    [
      "emptied does not know of what is under way",
      "this.#unsettled.add(batch.sent.promise);",
      "",
      { tests: [BATCHER, CLOSING] },
    ],
    [
      "a failed call stops all later ones",
      "batch.begunAt).then(() => sent.resolve(), sent.reject)\n",
      "batch.begunAt).then(() => sent.resolve())\n",
    ],
  ]),
  ...mutantsOf("brokers/redis/enqueue_batcher.ts", LOST, [
    [
      "a message is stored twice when the answer was cut off",
      "[again ? 1 : 0, ...entries]",
      "[0, ...entries]",
    ],
  ]),
  ...mutantsOf("brokers/redis/scripts.ts", SCRIPTS, [
    [
      "a late acknowledgement takes away what another worker has",
      "if held[i] == 1 then ids[#ids + 1] = ARGV[i + first - 1] end",
      "ids[#ids + 1] = ARGV[i + first - 1]",
      { tests: TAKEOVER, filter: "late" },
    ],
    [
      "a late dead-lettering takes away what another worker has",
      "if redis.call('SREM', KEYS[3], id) + redis.call('ZREM', KEYS[4], id) > 0 then",
      "if redis.call('SREM', KEYS[3], id) + redis.call('ZREM', KEYS[4], id) >= 0 then",
      { tests: TAKEOVER, filter: "late" },
    ],
    [
      "a late requeue doubles what another worker has",
      "if redis.call('SREM', KEYS[4], ARGV[i]) == 1\n    and",
      "redis.call('SREM', KEYS[4], ARGV[i])\n  if",
      { tests: TAKEOVER, filter: "late" },
    ],
    [
      "an id without a text is put back",
      "and redis.call('HEXISTS', KEYS[3], ARGV[i]) == 1 then",
      "then",
      { tests: TAKEOVER, filter: "without a message" },
    ],
    [
      "a message that is there already is queued again",
      "if redis.call('HSETNX', KEYS[3], entries[i], entries[i + 1]) == 1 then",
      "if redis.call('HSETNX', KEYS[3], entries[i], entries[i + 1]) then",
      { tests: LOST },
    ],
  ]),
  ...mutantsOf("brokers/redis/delayed_scripts.ts", SCRIPTS, [
    [
      "two promotions double a message",
      "if redis.call('ZREM', KEYS[2], ARGV[i]) == 1 then\n    redis.call('HDEL', KEYS[3]",
      "redis.call('ZREM', KEYS[2], ARGV[i])\n  if true then\n    redis.call('HDEL', KEYS[3]",
      { tests: PROMOTION },
    ],
    [
      "a delayed message that was claimed is not lent but taken",
      "if texts[i] then redis.call('ZADD', KEYS[1], score, ids[i]) end",
      "",
      { tests: PROMOTION },
    ],
    [
      "a loan of what another has taken meanwhile comes back",
      "if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then\n    redis.call('ZADD', KEYS[1], string.format",
      "redis.call('ZREM', KEYS[1], ARGV[i])\n  if true then\n    redis.call('ZADD', KEYS[1], string.format",
    ],
    [
      "a message is postponed that another has taken over",
      "elseif redis.call('SREM', KEYS[2], id) == 1 then\n    local text",
      "elseif redis.call('SREM', KEYS[2], id) >= 0 then\n    local text",
    ],
    [
      "a due message is run that another has taken over",
      "if redis.call('SISMEMBER', KEYS[2], id) == 1 then due[#due + 1] = id end",
      "due[#due + 1] = id",
    ],
  ]),
  ...mutantsOf("brokers/redis/recovery_scripts.ts", SCRIPTS, [
    [
      "a worker that is alive after all is taken over from",
      "if heartbeat and tonumber(heartbeat) > tonumber(ARGV[2]) then return 0 end",
      "",
    ],
    [
      "a worker that is alive after all is forgotten",
      "if heartbeat and tonumber(heartbeat) <= tonumber(ARGV[1]) then",
      "if heartbeat then",
    ],
    [
      "a broker that leaves takes its heartbeat from what it holds",
      "if redis.call('EXISTS', KEYS[i]) == 1 then return end",
      "",
      { tests: TAKEOVER, filter: "keeps its heartbeat" },
    ],
  ]),
  ...mutantsOf("brokers/redis/dead_letter_scripts.ts", SCRIPTS, [
    [
      "a dead letter is sent twice by two who requeue it",
      "local found = redis.call('ZREM', KEYS[2], ARGV[3])\nif found == 1 then",
      "local found = redis.call('ZREM', KEYS[2], ARGV[3])\nif true then",
      { tests: DEAD },
    ],
    [
      "a requeued dead letter whose answer was cut off counts as gone",
      "found = redis.call('HEXISTS', KEYS[5], ARGV[4])",
      "found = 0",
      { tests: DEAD },
    ],
  ]),
  ...mutantsOf("clients/redis/watchdog.ts", SILENT, [
    ["a server that does not answer is not noticed", "      this.#onSilence();\n", ""],
  ]),
  ...mutantsOf("clients/redis/retry.ts", OUTAGES, [
    ["a send that was given up happens later", "    this.#call.isGivenUp = true;\n", "", {
      filter: "and then never happens",
    }],
  ]),
];
