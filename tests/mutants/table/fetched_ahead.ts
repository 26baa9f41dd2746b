import { type Mutant, mutantsOf } from "../mutant.ts";

const WAIT = "tests/worker/wait_limit_test.ts";
const STUB = "tests/brokers/stub/stub_broker_test.ts";
const RABBITMQ = "tests/brokers/rabbitmq_test.ts";
const REDIS = "tests/brokers/redis_test.ts";
const BASELINE = "tests/brokers/rabbitmq/baseline_test.ts";
const OUTAGES = "tests/brokers/rabbitmq/outages_test.ts";
const MANY = "tests/brokers/rabbitmq/many_queues_test.ts";

/** Mistakes in what becomes of messages that were fetched and have not begun, and on many queues. */
export const FETCHED_AHEAD: readonly Mutant[] = [
  ...mutantsOf("worker/wait_limit.ts", WAIT, [
    [
      "messages are given back that have just arrived",
      "this.#options.giveBack(this.#period - 2);",
      "this.#options.giveBack(this.#period);",
    ],
    [
      "a queue that had messages given back is fetched from at once",
      "      settlement.pauseReceiving();\n",
      "",
    ],
    [
      "a queue that had messages given back waits until the worker is idle",
      "    if (this.#hasProgress) this.#resume();\n",
      "",
    ],
    [
      "of many held queues only the first ones are looked at",
      "if (this.#options.hasFreeSlot()) this.#resume();\n    }, RESUME_INTERVAL);",
      "}, RESUME_INTERVAL);",
    ],
    [
      "a worker that has stopped leaves a timer behind",
      "    clock.clearTimer(this.#timer);\n",
      "",
    ],
  ]),
  ...mutantsOf("worker/dispatcher.ts", WAIT, [
    [
      "a queue stays held when a message ends",
      "    this.#startJobs();\n    this.#waitLimit.roomMade();\n  }\n\n  /** A job has turned",
      "    this.#startJobs();\n  }\n\n  /** A job has turned",
    ],
    [
      "a paused worker keeps what it has not begun",
      "this.#pauseTimer = this.broker.clock.setTimer(() => this.giveBack(), SHORT_PAUSE);",
      "",
      { tests: STUB, filter: "Worker.pause leaves" },
    ],
  ]),
  ...mutantsOf("worker/job.ts", "tests/worker/worker_races_test.ts", [
    [
      "what a stale consumer gave is given back by another one",
      "if (settlement.isStale) settlement.dropped();",
      "if (false) settlement.dropped();",
      {
        tests: "tests/worker/worker_races_test.ts",
        stays: "a consumer that is gone ignores it, and all that differs is a line in the log",
      },
    ],
  ]),
  ...mutantsOf("worker/consumer_loop.ts", RABBITMQ, [
    [
      "a paused worker has messages delivered",
      "if (isPaused && !wasPaused) this.#pauseConsumer(consumer);",
      "",
      { filter: "though it has room" },
    ],
    [
      "a worker that takes long to stop has messages delivered",
      "() => this.#pauseConsumer(consumer),",
      "() => {},",
      { tests: BASELINE, filter: "stop leaves to others" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/subscription.ts", BASELINE, [
    [
      "what was prefetched stays with a paused consumer",
      "if (this.#channel === channel && !this.#isClosed) this.#options.paused(channel);",
      "",
      { tests: RABBITMQ, filter: "pause" },
    ],
    [
      "a consumer that lost its channel for another one's fault fails",
      "if (connection.isCurrent(model) && !isBystander(error)) throw error;",
      "if (connection.isCurrent(model)) throw error;",
      { tests: MANY, filter: "does not fail with another" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/consumer_channel.ts", MANY, [
    [
      "a consumer that closes gives back what others on its channel hold",
      ".filter((delivery) => delivery.user === user)",
      "",
      { filter: "gives back its own" },
    ],
    [
      "a consumer that closes keeps what it holds while others use its channel",
      "this.giveBack([...this.#open].filter((delivery) => delivery.user === user));",
      "",
      { filter: "gives back its own" },
    ],
    [
      "a consumer that closes takes the channel of others along",
      "if (this.#users.size === 0) {",
      "if (true) {",
      { filter: "gives back its own" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/consumer_channels.ts", MANY, [
    [
      "there are more channels than the server allows",
      "return count < mostChannels(model);",
      "return true;",
      { filter: "channels left" },
    ],
    [
      "channels that are about to be opened are not counted",
      "const count = this.#channels.size + this.#opening;",
      "const count = this.#channels.size;",
      { filter: "at the same time" },
    ],
    [
      "a queue that cannot be consumed closes the channel of others again and again",
      "this.#suspects.add(queueName);",
      "",
      {
        tests: "tests/brokers/rabbitmq/consumer_channels_test.ts",
      },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/queue_arguments.ts", BASELINE, [
    [
      "a dead letter that was given back once is dropped",
      "const HIGHEST_DELIVERY_LIMIT = 1_000_000;",
      "const HIGHEST_DELIVERY_LIMIT = -1;",
      { filter: "however often" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/delivery_limits.ts", BASELINE, [
    [
      "a queue with another delivery limit cannot be used",
      "this.#found.set(queueName, limit);",
      "",
      { filter: "another delivery limit" },
    ],
    [
      "a queue that was deleted is declared with its old limit",
      "await channel.checkQueue(queueName);",
      "",
      { filter: "once the other one is deleted" },
    ],
    [
      "each connection warns of a delivery limit",
      "if (this.#warnedOf.has(queueName)) return true;",
      "",
      {
        filter: "another delivery limit",
        stays: "what one connection has found the other one declares with, so that it does not ask",
      },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/idle_queue.ts", BASELINE, [
    [
      "join overlooks what was just given back",
      "isQuiet && sumOfReturned(present) === returned",
      "true",
      { filter: "overlook" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/consumer_timeout.ts", OUTAGES, [
    [
      "messages wait for as long as the server's consumer timeout",
      'return Math.min(queueType === "classic" ? LONGEST_WAIT : Infinity, consumerTimeout / 4);',
      "return Infinity;",
      { filter: "only wait for a slot" },
    ],
  ]),
  ...mutantsOf("brokers/redis/prefetcher.ts", REDIS, [
    [
      "what was fetched stays with a paused consumer",
      "this.inFlight.take(this.#buffer.splice(0));",
      "this.inFlight.take([]);",
      { filter: "Consumer.pause" },
    ],
  ]),
  ...mutantsOf("brokers/redis/heartbeat.ts", "tests/brokers/redis/many_queues_test.ts", [
    [
      "a heartbeat looks at all queues, however many there are",
      "if (watched.length <= QUEUES_PER_HEARTBEAT) return watched;",
      "return watched;",
      { filter: "in one heartbeat" },
    ],
    [
      "of very many queues the same ones are looked at each time",
      "this.#position += QUEUES_PER_HEARTBEAT;",
      "",
      { filter: "in one heartbeat" },
    ],
  ]),
];
