import { type Mutant, mutantsOf } from "../mutant.ts";

const STUB = [
  "tests/brokers/stub/stub_broker_test.ts",
  "tests/brokers/stub/join_test.ts",
  "tests/brokers/stub/dead_letters_test.ts",
];
const QUEUE = "tests/brokers/stub/queue_test.ts";

/** Mistakes in the broker in memory. */
export const STUB_BROKER: readonly Mutant[] = [
  ...mutantsOf("brokers/stub/stub_broker.ts", STUB, [
    [
      "join returns while a delayed message waits",
      "const queues = [this.#queue(queueName), this.#queue(delayQueueName(queueName))];",
      "const queues = [this.#queue(queueName)];",
    ],
    ["the timer of join outlives it", "if (timer !== undefined) this.clock.clearTimer(timer);", ""],
    [
      "messages of a batch are stored though one cannot be",
      "const stored = messages.map((message) => ({\n      queue: this.#queue(message.queueName),\n      entry: { data: message.encode(), eta: etaOf(message) },\n    }));\n    for (const { queue, entry } of stored) queue.push(entry);",
      "for (const message of messages) {\n      this.#queue(message.queueName).push({ data: message.encode(), eta: etaOf(message) });\n    }",
    ],
  ]),
  ...mutantsOf("brokers/stub/dead_letters.ts", STUB, [
    [
      "a dead letter is sent again that another has taken",
      "    if (key === undefined || !this.#letters.has(key)) return false;\n",
      "",
    ],
    [
      "a dead letter is gone that could not be sent again",
      "    if (message !== undefined) this.#store(message);\n    return this.#letters.delete(key);",
      "    const isThere = this.#letters.delete(key);\n    if (message !== undefined) this.#store(message);\n    return isThere;",
    ],
    [
      "flush leaves dead letters behind",
      "{ key } of this.of(queueName)) this.#letters.delete(key);",
      "{ key } of this.of(queueName)) void key;",
    ],
  ]),
  ...mutantsOf("brokers/stub/consumer.ts", STUB, [
    [
      "a message that was settled can be settled again",
      "this.#unsettled.delete(message as StubDelivery)",
      "(this.#unsettled.delete(message as StubDelivery), true)",
    ],
    [
      "a consumer takes more than its prefetch",
      "queue.take(Math.min(limit, room))",
      "queue.take(limit)",
    ],
    [
      "room that was made is not told of",
      "    this.#room.notify();\n    return taken;",
      "    return taken;",
    ],
    [
      "what is given back on closing loses its order",
      "this.requeue([...this.#unsettled].sort((a, b) => a.order - b.order))",
      "this.requeue([...this.#unsettled].sort((a, b) => b.order - a.order))",
    ],
    [
      "a receive that was aborted still takes messages",
      "while (!this.#isClosed && !signal?.aborted) {",
      "while (!this.#isClosed) {",
    ],
    [
      "close leaves a receive waiting",
      "    this.#abort.follow(undefined);\n    this.#wake();",
      "    this.#abort.follow(undefined);",
    ],
  ]),
  ...mutantsOf("brokers/stub/queue.ts", QUEUE, [
    [
      "what is given back goes to the end",
      "this.#ready.unshift(messages);",
      "for (const one of messages) this.#ready.push(one);",
    ],
    ["a queue is idle while a message is out", "this.#unsettled === 0 && ", ""],
    ["what is given back wakes nobody", "if (messages.length > 0) this.#changed.notify();", ""],
    [
      "an earlier eta does not set the timer anew",
      "if (eta === this.#timerAt) return;",
      "if (this.#timer !== undefined) return;",
    ],
  ]),
];
