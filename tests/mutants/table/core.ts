import { type Mutant, mutantsOf } from "../mutant.ts";

const EMITTER = "tests/core/emitter_test.ts";
const PROXY = "tests/core/message_proxy_test.ts";
const BROKER = "tests/core/broker_test.ts";
const COMPOSITION = "tests/core/composition_results_test.ts";
const GROUPS = "tests/middleware/groups_test.ts";
const DEAD_LETTERS = "tests/brokers/stub/dead_letters_test.ts";
const ORDER = "tests/core/sending_order_test.ts";

/** Mistakes in the core: the base of brokers, messages, composition. */
export const CORE: readonly Mutant[] = [
  ...mutantsOf("core/sender.ts", [ORDER, BROKER], [
    [
      "an asynchronous hook before a send is not waited for",
      "const sending = before === undefined\n        ? this.#storeOne",
      "const sending = before !== null\n        ? this.#storeOne",
    ],
    [
      "afterEnqueue runs before the message is stored",
      'return stored.then(() => broker.emit("afterEnqueue", queued, delay)).then(() => queued);',
      'broker.emit("afterEnqueue", queued, delay);\n    return stored.then(() => queued);',
    ],
    [
      "a batch is stored before its hooks have ended",
      '      const before = this.#broker.emit("beforeEnqueue", queued[i]!, delayOfOne(messages[i]!));\n      if (before !== undefined) await before;',
      '      this.#broker.emit("beforeEnqueue", queued[i]!, delayOfOne(messages[i]!));',
    ],
    [
      "a batch tells of messages that are not stored yet",
      "if (queued.length > 0) await this.#steps.store(queued);",
      "if (queued.length > 0) void this.#steps.store(queued);",
    ],
    [
      "a due message goes out before its hook has ended",
      "    if (before !== undefined) await before;\n    const stored = this.#steps.storeDue",
      "    const stored = this.#steps.storeDue",
    ],
    [
      "a due message counts as moved before it is stored",
      "    if (stored !== undefined) await stored;\n",
      "",
    ],
    [
      "a due message keeps its eta, and is delayed again",
      "options: { eta: undefined },",
      "options: {},",
    ],
    [
      "a dead letter that another took away is told as sent",
      "if (!await stored.requeue(queued)) return false;",
      "await stored.requeue(queued);",
      { tests: DEAD_LETTERS },
    ],
  ]),
  ...mutantsOf("core/queue_names.ts", [ORDER, BROKER], [
    [
      "a delay is given back in fractions of a millisecond",
      "clock.now() + Math.round(delay)",
      "clock.now() + delay",
    ],
  ]),
  ...mutantsOf("core/actor_registry.ts", [ORDER, BROKER], [
    [
      "a message option of null hides that of the actor",
      "const value = message.option(name) ?? this.#actors.get(message.actorName)?.options[name];",
      "const own = message.option(name);\n    const value = own !== undefined ? own : this.#actors.get(message.actorName)?.options[name];",
    ],
  ]),
  ...mutantsOf("core/emitter.ts", EMITTER, [
    [
      "a hook starts while the one before it waits",
      "        return pending.catch((error) => this.#throwOrLog(error, subscriber, hook))\n          .then(() => this.#before(subscribers, i + 1, hook, first, second));",
      "        const rest = this.#before(subscribers, i + 1, hook, first, second);\n        return pending.catch((error) => this.#throwOrLog(error, subscriber, hook))\n          .then(() => rest);",
    ],
    [
      "the hooks behind one that waits are skipped",
      ").then((noted) => this.#after(subscribers, i + 1, noted, hook, first, second));",
      ").then((noted) => {\n          if (noted !== undefined) throw noted;\n        });",
    ],
    [
      "after hooks run in the order of before hooks",
      'if (hook.startsWith("after")) subscribers.reverse();',
      "",
    ],
  ]),
  ...mutantsOf("core/message_proxy.ts", PROXY, [
    [
      "a signal asked for late does not know of the interrupt",
      "if (this.#interrupt !== undefined) this.#controller.abort(this.#interrupt);",
      "",
      { tests: "tests/core/context_test.ts" },
    ],
    [
      "a second interrupt takes the contextIndex of the first",
      "    if (this.#interrupt === undefined) {\n      this.#interrupt = reason;",
      "    {\n      this.#interrupt = reason;",
    ],
    [
      "a message that runs again has the aborted signal of before",
      "    this.#controller = undefined;\n",
      "",
    ],
    ["a message that runs again is still interrupted", "    this.#interrupt = undefined;\n", ""],
    [
      "a dead letter does not say why",
      "this.#exception === undefined) return message;",
      "true) return message;",
    ],
  ]),
  ...mutantsOf("core/message.ts", "tests/core/message_test.ts", [
    [
      "a retry sends the arguments as its actor left them",
      "    if (this.#encoded !== undefined) {\n      const encoder = getEncoder();\n      const decoded",
      "    if (false) {\n      const encoder = getEncoder();\n      const decoded",
    ],
  ]),
  ...mutantsOf("core/completion_callbacks.ts", [ORDER, GROUPS], [
    [
      "members are sent before the group is counted",
      "if (uuid !== undefined) await counter.beginGroup!(broker, uuid, members.length);",
      "if (uuid !== undefined) void counter.beginGroup!(broker, uuid, members.length);",
    ],
    [
      "a message that is in a group twice is one member",
      "const isTwice = ids.size === ids.add(message.messageId).size;",
      "const isTwice = false;",
      { tests: "tests/middleware/group_callbacks_test.ts" },
    ],
  ]),
  ...mutantsOf("core/group.ts", [ORDER, GROUPS], [
    [
      "run resolves before its members are sent",
      "await broker.enqueueMany(batch, sending);",
      "void broker.enqueueMany(batch, sending);",
    ],
    [
      "members behind a pipeline are not sent",
      "    await sendBatch();\n    return this;",
      "    return this;",
    ],
    [
      "each member gets the whole timeout",
      "const wanted = { ...options, ...remaining(), backend };",
      "const wanted = { ...options, backend };",
    ],
  ]),
  ...mutantsOf("core/pipeline.ts", [ORDER, COMPOSITION], [
    [
      "run resolves before the first message is sent",
      "await this.broker.enqueue(first, {",
      "void this.broker.enqueue(first, {",
    ],
    [
      "what lies behind a message without result is counted",
      "if (!await hasResult(message, broker)) break;",
      "if (!await hasResult(message, broker)) continue;",
    ],
    [
      "each result gets the whole timeout",
      "timeout: Math.max(0, deadline - monotonicTime(broker.clock))",
      "timeout",
    ],
  ]),
  ...mutantsOf("core/dead_letters.ts", DEAD_LETTERS, [
    [
      "a dead letter is sent twice by two calls at a time",
      "    if (this.#isSettled) return false;\n",
      "",
    ],
    [
      "a dead letter that could not be sent cannot be tried again",
      "      this.#isSettled = false;\n      throw error;",
      "      throw error;",
    ],
    ["a dead letter is read on while it is being sent", "this.#owner.settling.add(settling);", "", {
      tests: "tests/brokers/rabbitmq_test.ts",
      filter: "pending requeues and drops have ended",
    }],
    ["a dead letter that is sent keeps its retries", "  retries: undefined,\n", "", {
      tests: "tests/brokers/stub/stub_broker_test.ts",
      filter: "sends the message afresh",
    }],
  ]),
  ...mutantsOf("platform/indexed_set.ts", "tests/platform/indexed_set_test.ts", [
    [
      "what is gone already is taken off in place of another",
      "if (this.#items[index] !== item) return false;",
      "if (index === undefined) return false;",
    ],
  ]),
  ...mutantsOf("platform/eta_heap.ts", "tests/platform/eta_heap_test.ts", [
    [
      "what is due right now is not due",
      "items[0]!.item.eta > now) return undefined;",
      "items[0]!.item.eta >= now) return undefined;",
    ],
    [
      "those of one eta lose their order",
      "(left.item.eta === right.item.eta && left.order < right.order)",
      "(left.item.eta === right.item.eta && left.order > right.order)",
    ],
  ]),
];
