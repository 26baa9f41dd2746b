import { type Mutant, mutantsOf } from "../mutant.ts";

const folder = "tests/brokers/redis";
const ACKS = `${folder}/acknowledgements_test.ts`;
const CLOSING = `${folder}/closing_test.ts`;
const COALESCING = `${folder}/coalescing_test.ts`;
const DELAYED = `${folder}/delayed_test.ts`;
const FETCHING = `${folder}/fetching_test.ts`;
const IN_FLIGHT = `${folder}/in_flight_test.ts`;
const LEASE = `${folder}/lease_test.ts`;
const OUTAGES = `${folder}/outages_test.ts`;
const PREFETCHER = `${folder}/prefetcher_test.ts`;
const PROMOTION = `${folder}/promotion_test.ts`;
const TEXTS = `${folder}/texts_test.ts`;
const KEY_NOTIFIER = "tests/clients/redis/key_notifier_test.ts";

/** Mistakes in the consumers of the Redis broker. */
export const REDIS_CONSUMING: readonly Mutant[] = [
  ...mutantsOf("brokers/redis/prefetcher.ts", CLOSING, [
    ["close does not wait for the fetch under way", "      await this.#filling;\n", ""],
    [
      "close forgets what was fetched ahead",
      "      this.#arrived(await this.#source.drain());\n",
      "",
    ],
    [
      "close does not give back what is in flight",
      "      const left = this.inFlight.takeAll();\n",
      "      const left: RedisDelivery[] = [];\n",
    ],
    [
      "close does not wait for acknowledgements that travel",
      "      await this.inFlight.settled();\n",
      "",
    ],
    [
      "a fetch starts after the close",
      'if (this.#mode === "gathering") this.#fetchGathered();',
      "this.#fetchGathered();",
    ],
    [
      "a fetch starts after the receive was aborted",
      "const room = this.#abort.isAborted ? 0 : Math.min(this.inFlight.room, MAX_BATCH);",
      "const room = Math.min(this.inFlight.room, MAX_BATCH);",
      { tests: FETCHING },
    ],
    [
      "a fetch goes ahead once the receive was aborted",
      '|| this.#demand !== "all" || this.#abort.isAborted) return 0;',
      '|| this.#demand !== "all") return 0;',
      { tests: FETCHING },
    ],
    [
      "a fetch goes ahead while closing",
      'if (this.#mode !== "filling" || this.#demand',
      "if (this.#demand",
      { tests: FETCHING },
    ],
    [
      "a pause goes on to fetch though the consumer is closed",
      'return this.#demand === "none" && !this.isClosed;',
      'return this.#demand === "none";',
      { tests: PREFETCHER },
    ],
    [
      "a loss of the lease is not told to whoever receives",
      "if (lease.isLost) failConsumers(lease, queues.values());\n",
      "",
      {
        tests: LEASE,
        stays:
          "the heartbeat tells of it within a second; until then isLost keeps all from starting",
      },
    ],
    [
      "a lost lease does not make messages stale",
      "return this.#error !== undefined || this.#session.lease.isLost;",
      "return this.#error !== undefined;",
      { tests: LEASE },
    ],
    [
      "a consumer that failed gives what it had in flight",
      'if (this.#mode === "failed") throw this.#error;',
      "",
      { tests: LEASE },
    ],
    [
      "a fetch that fails because the server is away fails the consumer",
      "if (isUnavailable(error)) this.#retryLater();\n      else this.fail(error);",
      "this.fail(error);",
      { tests: OUTAGES, filter: "is not there yet" },
    ],
  ]),
  ...mutantsOf("brokers/redis/redis_consumer.ts", CLOSING, [
    [
      "what is given back is not counted as in flight",
      "await this.#inFlight.settle(taken, this.#giveBack(taken));",
      "await this.#giveBack(taken);",
    ],
  ]),
  ...mutantsOf("brokers/redis/in_flight.ts", IN_FLIGHT, [
    [
      "more is fetched than there is room for",
      "return this.#prefetch - this.#unsettled.size;",
      "return this.#prefetch;",
      { tests: "tests/brokers/redis_test.ts", filter: "prefetch" },
    ],
    [
      "a message can be settled twice",
      "this.#unsettled.delete(message as RedisDelivery)",
      "(this.#unsettled.delete(message as RedisDelivery), true)",
    ],
    [
      "what is being settled counts as lost",
      "    for (const batch of this.#settling.keys()) {\n      for (const { id } of batch) ids.add(id);\n    }\n",
      "",
    ],
    [
      "what failed to be settled is in flight for ever",
      "    } finally {\n      this.#settling.delete(batch);",
      "      this.#settling.delete(batch);\n    } finally {",
    ],
    ["what is given back on closing loses its order", ".sort((a, b) => a.order - b.order)", ""],
  ]),
  ...mutantsOf("brokers/redis/in_flight.ts", ACKS, [
    [
      "acknowledgements are lost whose fetch was cut off",
      "if (batch !== undefined) this.#dispatch(batch);\n      throw error;",
      "batch?.sent.resolve();\n      throw error;",
    ],
    [
      "an acknowledgement counts before Redis has heard of it",
      "      const result = await fetch(batch?.ids ?? []);\n      batch?.sent.resolve();",
      "      batch?.sent.resolve();\n      const result = await fetch(batch?.ids ?? []);",
    ],
    [
      "acknowledgements wait for a fetch that never comes",
      "if (this.#batch !== undefined) this.#dispatchSoon(this.#batch);",
      "",
    ],
    [
      "an acknowledgement that fails counts as done",
      "batch.sent.resolve(), batch.sent.reject);",
      "batch.sent.resolve(), () => batch.sent.resolve());",
    ],
  ]),
  ...mutantsOf("brokers/redis/queue_source.ts", LEASE, [
    [
      "a fetch does not begin the lease",
      "  session.lease.renew(sentAt); // before anything of it can start\n",
      "",
    ],
    [
      "a lease counts from the answer of a fetch, not from its question",
      "session.lease.renew(sentAt); // before",
      "session.lease.renew(session.lease.now); // before",
    ],
    [
      "large texts are read by the script",
      "return total > texts.length * MAX_BY_SCRIPT;",
      "return false;",
      { tests: TEXTS },
    ],
  ]),
  ...mutantsOf("brokers/redis/queue_source.ts", CLOSING, [
    [
      "fetches ahead do not count as room that is taken",
      "this.#ahead.reduce((sum, { limit }) => sum + limit, arriving)",
      "arriving",
      { tests: [CLOSING, COALESCING] },
    ],
    [
      "an empty queue is fetched ahead from without end",
      "if (mayHaveMore) this.#beginAhead(fetch.limit);",
      "this.#beginAhead(fetch.limit);",
      {
        tests: "tests/brokers/redis_test.ts",
        filter: "rests while it is idle, with dramatiq_queue_prefetch",
      },
    ],
    [
      "a fetch ahead that was taken is not known as under way",
      "return this.#awaited === undefined ? this.#ahead : [this.#awaited, ...this.#ahead];",
      "return this.#ahead;",
      { stays: "the filling that waits for it is known as under way, and stands for it" },
    ],
    ["a fetch ahead that fails fails the close", "entries.catch(() => EMPTY)", "entries", {
      tests: PREFETCHER,
    }],
    [
      "a message on the queue whose eta has not come is run",
      "if (deliveries.some(hasEta)) {",
      "if (false) {",
      { tests: DELAYED },
    ],
  ]),
  ...mutantsOf("brokers/redis/postpone.ts", DELAYED, [
    [
      "whoever holds delayed messages is not told of one more",
      "if (due.size < withEta.length) wakeDelayConsumers(session, queueName);",
      "",
      { stays: "its heartbeat finds the message within a second" },
    ],
  ]),
  ...mutantsOf("brokers/redis/give_back.ts", PROMOTION, [
    [
      "a message that was promoted is dropped besides",
      "one instanceof DueDelivery && !one.isPromoted",
      "one instanceof DueDelivery",
      { stays: "the promotion has taken its id away, so that there is nothing to drop" },
    ],
    [
      "a loan is not given back on closing",
      "  await connection.runWithRetry(RELEASE, [etas], () => [serverClock.argument, ...ids]);\n",
      "",
    ],
  ]),
  ...mutantsOf("brokers/redis/delay_source.ts", PROMOTION, [
    [
      "a nearer message behind a far one is not waited for",
      "return length > 0 || nextEta < this.#nextEta || nextEta < now + 1;",
      "return length > 0;",
      { tests: KEY_NOTIFIER, filter: "another one sorted" },
    ],
    [
      "a message is due a moment late for ever",
      "Math.ceil(this.#dueAt - lease.now)",
      "Math.ceil(this.#dueAt - lease.now) + 60_000",
    ],
  ]),
];
