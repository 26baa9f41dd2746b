import { type Mutant, mutantsOf } from "../mutant.ts";

const folder = "tests/brokers/redis";
const ACKS = `${folder}/acknowledgements_test.ts`;
const CLOSING = `${folder}/closing_test.ts`;
const COALESCING = `${folder}/coalescing_test.ts`;
const DELAYED = `${folder}/delayed_test.ts`;
const IN_FLIGHT = `${folder}/in_flight_test.ts`;
const LEASE = `${folder}/lease_test.ts`;
const OUTAGES = `${folder}/outages_test.ts`;
const PROMOTION = `${folder}/promotion_test.ts`;
const TEXTS = `${folder}/texts_test.ts`;
const KEY_NOTIFIER = "tests/clients/redis/key_notifier_test.ts";

/** Mistakes in the consumers of the Redis broker. */
export const REDIS_CONSUMING: readonly Mutant[] = [
  ...mutantsOf("brokers/redis/redis_consumer.ts", CLOSING, [
    ["close does not wait for the fetch under way", "      await this.#filling;\n", ""],
    [
      "close forgets what was fetched ahead",
      "      this.#arrived(await this.fetchedAhead());\n",
      "",
    ],
    [
      "close does not give back what is in flight",
      "await this.inFlight.settle(left, this.giveBack(left));",
      "",
    ],
    [
      "close does not wait for acknowledgements that travel",
      "      await this.inFlight.settled();\n",
      "",
    ],
    [
      "a fetch starts after the close",
      "if (this.isClosed || this.#abort.isAborted || this.#isWaiting) return;\n    const room",
      "if (this.#isWaiting) return;\n    const room",
    ],
    [
      "a fetch goes ahead while closing",
      "if (!this.#takesAll || this.isClosed || this.#abort.isAborted) return 0;",
      "if (!this.#takesAll) return 0;",
      { stays: "close waits for what was fetched ahead, and gives it back all the same" },
    ],
    [
      "a loss of the lease is not told to whoever receives",
      "if (lease.isLost) tellLoss(lease, queues.values());\n      if (this.#error",
      "if (this.#error",
      {
        tests: LEASE,
        stays:
          "the heartbeat tells of it within a second; until then isLost keeps all from starting",
      },
    ],
    [
      "a lost lease does not make messages stale",
      "return this.#error !== undefined || this.session.lease.isLost;",
      "return this.#error !== undefined;",
      { tests: LEASE },
    ],
    [
      "a consumer that failed gives what it had in flight",
      "if (this.#error !== undefined) throw this.#error;",
      "",
      { tests: LEASE },
    ],
    [
      "more is fetched than there is room for",
      "const free = this.#prefetch - this.inFlight.unsettled;",
      "const free = this.#prefetch;",
      { tests: "tests/brokers/redis_test.ts", filter: "prefetch" },
    ],
    [
      "a fetch that fails because the server is away fails the consumer",
      "if (!isUnavailable(error)) this.fail(error);",
      "if (true) this.fail(error);",
      { tests: OUTAGES, filter: "is not there yet" },
    ],
    [
      "what is given back is not counted as in flight",
      "await this.inFlight.settle(taken, this.giveBack(taken));",
      "await this.giveBack(taken);",
    ],
  ]),
  ...mutantsOf("brokers/redis/in_flight.ts", IN_FLIGHT, [
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
  ...mutantsOf("brokers/redis/acknowledgements.ts", ACKS, [
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
  ...mutantsOf("brokers/redis/queue_consumer.ts", LEASE, [
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
      "return total > entries.length * MAX_BY_SCRIPT;",
      "return false;",
      { tests: TEXTS },
    ],
  ]),
  ...mutantsOf("brokers/redis/queue_consumer.ts", CLOSING, [
    [
      "fetches ahead do not count as room that is taken",
      "this.#ahead.reduce((sum, { limit }) => sum + limit, arriving)",
      "arriving",
      { tests: [CLOSING, COALESCING] },
    ],
    [
      "an empty queue is fetched ahead from without end",
      "if (mayHaveMore) this.#fetchAhead(fetch.limit);",
      "this.#fetchAhead(fetch.limit);",
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
    ["a fetch ahead that fails fails the close", "entries.catch(() => [])", "entries", {
      tests: "tests/brokers/redis/queue_consumer_test.ts",
    }],
    [
      "a message on the queue whose eta has not come is run",
      "if (mayBeEarly) deliveries = await this.#postponeEarly(deliveries);",
      "",
      { tests: DELAYED },
    ],
    [
      "whoever holds delayed messages is not told of one more",
      "if (due.size < withEta.length) this.#wakeDelayConsumer();",
      "",
      { stays: "its heartbeat finds the message within a second" },
    ],
  ]),
  ...mutantsOf("brokers/redis/delay_consumer.ts", PROMOTION, [
    [
      "a message that was promoted is dropped besides",
      "one instanceof DueDelivery && !one.isPromoted",
      "one instanceof DueDelivery",
      { stays: "the promotion has taken its id away, so that there is nothing to drop" },
    ],
    [
      "a loan is not given back on closing",
      "    if (due.length > 0) {\n      const ids = due.map(({ id }) => id);",
      "    if (false) {\n      const ids = due.map(({ id }) => id);",
    ],
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
