import type { AmqpCall, GotMessage, Observed } from "./capture.ts";

/** Difference, on purpose, of in one step, on purpose. */
export interface Difference {
  /** The name of the step. */
  readonly step: string;
  /** Why. */
  readonly reason: string;
  /** Observation here in place of what was; `undefined` for what is not there. */
  readonly observed: { readonly [K in keyof Observed]?: Observed[K] | undefined };
}

const ONE_ATTEMPT = "what the server refuses for good is not tried again";
const COUNTED = "counting asks whether there is a ladder, too";
const DECLARED_BY_EACH = "each connection declares what it uses: it may lead to another server";
const CHECKED = "what is no priority is refused before it is sent";
const HOOKS_ONCE = "before_enqueue runs once for a message, however often it is sent";
const BURIED = "dead letters are published, confirmed, before their message is acknowledged";
const EXPLAINED = "a dead letter tells of its last failure";
const HELD = "delayed messages stay in the consumer until they are due";
const LADDER = "no worker holds what is due much later: the server does, on the ladder";
const MADE_BY_FLUSH = "flushing declares queues: one that is missing is an error in RabbitMQ's log";

const TO_DEAD_LETTERS = {
  "x-dead-letter-exchange": "",
  "x-dead-letter-routing-key": "goldq.XQ",
};
const LADDER_NOTE = { "x-message-ttl": 33_308_000, "x-max-length": 1 };

function declared(queue: string, args: Readonly<Record<string, unknown>>): AmqpCall {
  return { method: "queue_declare", args: { queue, durable: true, arguments: args } };
}

/** Declarations that go together, of a queue without priorities. */
function declarations(name = "goldq"): AmqpCall[] {
  const toDeadLetters = { ...TO_DEAD_LETTERS, "x-dead-letter-routing-key": `${name}.XQ` };
  return [
    declared(name, toDeadLetters),
    declared(`${name}.DQ`, toDeadLetters),
    declared(`${name}.XQ`, { "x-message-ttl": 604_800_000 }),
  ];
}

/** Notes of both kinds of rungs. */
function notesDeclared(name = "goldq"): AmqpCall[] {
  return [
    declared(`${name}.DQ.quorum`, LADDER_NOTE),
    declared(`${name}.DQ.ladder`, { ...LADDER_NOTE, "x-expires": 33_368_000 }),
  ];
}

/** Headers that RabbitMQ writes on a message that was rejected. */
function deathOn(queue: string, time: unknown): Readonly<Record<string, unknown>> {
  const death = { count: 1, reason: "rejected", queue, time, exchange: "" };
  return {
    "x-death": [{ ...death, "routing-keys": [queue] }],
    "x-first-death-exchange": "",
    "x-first-death-queue": queue,
    "x-first-death-reason": "rejected",
  };
}

/** A dead letter that is published, with what RabbitMQ would have written on it. */
function buried(
  queue: string,
  body: string,
  properties: Readonly<Record<string, unknown>> = {},
  seconds = 1_700_000_000,
): AmqpCall {
  const headers = deathOn(queue, seconds);
  return {
    method: "basic_publish",
    args: {
      exchange: "",
      routing_key: "goldq.XQ",
      body,
      properties: { headers, delivery_mode: 2, ...properties },
      mandatory: true,
    },
  };
}

/** The same, as it is found on the queue of dead letters. */
function deadLetter(body: string, properties: Readonly<Record<string, unknown>> = {}): GotMessage {
  const headers = deathOn("goldq", "<datetime>");
  return {
    method: { exchange: "", routing_key: "goldq.XQ", redelivered: false },
    properties: { headers, delivery_mode: 2, ...properties },
    body,
  };
}

/** A message as it is written. */
function text(queue: string, actor: string, args: string, options: string, id = 1): string {
  return `{"queue_name":"${queue}","actor_name":"${actor}","args":${args},"kwargs":{},` +
    `"options":{${options}},"message_id":"<msg:${id}>","message_timestamp":<ts+0>}`;
}

const FAILED_TWICE = text(
  "goldq",
  "fail",
  "[1]",
  '"broker_priority":3,"retries":2,"traceback":"<traceback>","requeue_timestamp":<ts+1000>',
);

const BAD_PRIORITY: Difference = {
  step: "enqueue broker_priority='high'",
  reason: CHECKED,
  observed: { amqp_calls: [], raised: { type: "RangeError", message: "" } },
};

/** All that is otherwise here, by scenario and number of the step, from 1. */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<number, Difference>>>> = {
  "declare-lazy": {
    6: {
      step: "declare_queue of the delay queue's name",
      reason: "a queue that is named like a delay queue is a mistake, and told so",
      observed: { returned: undefined, raised: { type: "TypeError", message: "" } },
    },
  },
  "declare-on-enqueue": {
    3: {
      step: "get_queue_message_counts",
      reason: `${COUNTED}; and the second message, which had not yet arrived there, has here`,
      observed: { amqp_calls: [...notesDeclared(), ...declarations()], returned: [2, 0, 0] },
    },
  },
  "declare-conflict": {
    1: {
      step: "enqueue on a broker with max_priority=10",
      reason: ONE_ATTEMPT,
      observed: { amqp_calls: [declared("goldq", { ...TO_DEAD_LETTERS, "x-max-priority": 10 })] },
    },
  },
  "publish-confirm-off": { 17: BAD_PRIORITY },
  "publish-confirm-on": { 17: BAD_PRIORITY },
  "queue-vanishes-confirm-on": {
    1: {
      step: "enqueue",
      reason: HOOKS_ONCE,
      observed: { hook_calls: { before_enqueue: 1, after_enqueue: 1 } },
    },
  },
  "delay-queue-vanishes-confirm-on": {
    1: {
      step: "enqueue delay=1000",
      reason: HOOKS_ONCE,
      observed: { hook_calls: { before_enqueue: 1, after_enqueue: 1 } },
    },
  },
  "consume-ack": {
    2: {
      step: "next(consumer)",
      reason: DECLARED_BY_EACH,
      observed: { amqp_calls: declarations() },
    },
  },
  "nack": {
    1: {
      step: "nack from goldq",
      reason: `${DECLARED_BY_EACH}; ${BURIED}`,
      observed: {
        amqp_calls: [...declarations(), buried("goldq", text("goldq", "work", "[1]", ""))],
      },
    },
    3: {
      step: "nack from goldq.DQ",
      reason: BURIED,
      observed: {
        amqp_calls: [
          buried(
            "goldq.DQ",
            text("goldq.DQ", "work", "[2]", '"eta":<ts+60000>', 2),
            {},
            1_700_000_060,
          ),
        ],
      },
    },
  },
  "undecodable": {
    1: {
      step: "next(consumer)",
      reason: BURIED,
      observed: { amqp_calls: [buried("goldq", "not json")] },
    },
  },
  "delay-stepped": {
    2: { step: "delay queue: receive", reason: HELD, observed: { returned: null } },
  },
  "retry-stepped": {
    4: { step: "delay queue: receive", reason: HELD, observed: { returned: null } },
    7: {
      step: "process: fails again",
      reason: `${BURIED}; ${EXPLAINED}`,
      observed: { amqp_calls: [buried("goldq", FAILED_TWICE, { priority: 3 }, 1_700_000_001)] },
    },
    8: {
      step: "basic_get from goldq.XQ",
      reason: EXPLAINED,
      observed: { message: deadLetter(FAILED_TWICE, { priority: 3 }) },
    },
  },
  "unknown-actor": {
    2: {
      step: "basic_get from goldq.XQ",
      reason: EXPLAINED,
      observed: {
        message: deadLetter(text("goldq", "nobody", "[1]", '"traceback":"<traceback>"')),
      },
    },
  },
  "flush": {
    2: {
      step: "flush",
      reason: MADE_BY_FLUSH,
      observed: { amqp_calls: [...declarations(), ...notesDeclared()] },
    },
    3: {
      step: "flush of a queue that does not exist",
      reason: MADE_BY_FLUSH,
      observed: { amqp_calls: [...declarations("goldother"), ...notesDeclared("goldother")] },
    },
  },
  "live-shutdown": {
    1: {
      step: "one running",
      reason: LADDER,
      observed: {
        ready_unacked: {
          "goldq": [2, 2],
          "goldq.DQ": [0, 0],
          "goldq.DQ.q1024": [1, 0],
          "goldq.XQ": [0, 0],
        },
      },
    },
    2: {
      step: "after worker.stop()",
      reason: LADDER,
      observed: {
        ready_unacked: {
          "goldq": [3, 0],
          "goldq.DQ": [0, 0],
          "goldq.DQ.q1024": [1, 0],
          "goldq.XQ": [0, 0],
        },
      },
    },
    6: { step: "basic_get from goldq.DQ", reason: LADDER, observed: { message: undefined } },
  },
};
