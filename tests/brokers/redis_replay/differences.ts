import {
  deadLetters,
  heartbeats,
  list,
  messages,
  replaced,
  set,
  sorted,
  takenOver,
  type Transform,
  withTraceback,
  zset,
} from "./transforms.ts";

/** Difference, on purpose, of after one step, on purpose. */
export interface Difference {
  /** The name of the step. */
  readonly step: string;
  /** Why. */
  readonly reason: string;
  /** Expected keys, , given what Python left there. */
  readonly keys?: Transform;
  /** Expected result,, given what it returned in Python. */
  readonly returned?: (returned: unknown) => unknown;
}

/** The differences of a scenario. */
export interface ScenarioDifferences {
  /** Differences of its steps, by number, from 1. */
  readonly steps: Readonly<Record<number, Difference>>;
  /**
   * Texts of messages that are stored here only, or otherwise, by placeholder of their
   * `redis_message_id`.
   */
  readonly messages?: Readonly<Record<string, { readonly reason: string; readonly text: string }>>;
}

const none = () => null;

/** The message that was returned, with its eta as it came. */
function withEta(eta: unknown): (returned: unknown) => unknown {
  return (returned) => {
    const { message, ...rest } = returned as { message: { options: Record<string, unknown> } };
    return { ...rest, message: { ...message, options: { ...message.options, eta } } };
  };
}

const SORTED = "delayed messages wait in Redis, sorted by eta, and no worker holds them";
const EXPLAINED = "a dead letter tells of its last failure";
const ALL_QUEUES = "a recovery goes over all queues, not only over that of a command";
const NOT_ASKED = "a consumer does not ask the server about what it was not given";
const DEAD_LETTERED = "what cannot be decoded goes to the dead letters, and the consumer goes on";

/** The dead letter of bytes that are no message. */
const buried = replaced({
  "dramatiq:__acks__.<broker:1>.goldq": undefined,
  "dramatiq:goldq": undefined,
  "dramatiq:goldq.msgs": undefined,
  "dramatiq:goldq.XQ": zset({ "bad-1": "<ts>" }),
  "dramatiq:goldq.XQ.msgs": { type: "hash", ttl_ms: -1, value: { "bad-1": "not json" } },
});

const POSTPONED = "what is early on a queue goes to the delayed messages";
const NO_ETA = "an eta that is no number is none: the message runs at once, as it is";
const NO_ETA_DELAYED = "what is on a delay queue goes to its queue first, under a new id";
const WHOLE_ETA = "the score of an eta is the first whole millisecond in which it has come";

/** Messages of "eta-odd" that have to wait, and what is in the worker. */
const waiting = {
  "dramatiq:__acks__.<broker:1>.goldq": set("<rid:2>", "<rid:3>"),
  "dramatiq:__acks__.<broker:1>.goldq.DQ": undefined,
  "dramatiq:goldq": list("<rid:8>"),
  "dramatiq:goldq.msgs": messages("<rid:2>", "<rid:3>", "<rid:8>"),
  "dramatiq:goldq.DQ.etas": zset({ "<rid:1>": "<ts+5000>", "<rid:4>": "<ts+1001>" }),
  "dramatiq:goldq.DQ.msgs": messages("<rid:1>", "<rid:4>"),
};

const ETA_ODD: ScenarioDifferences = {
  messages: {
    "<rid:8>": {
      reason: NO_ETA_DELAYED,
      text: '{"queue_name":"goldq","actor_name":"work","args":["no eta on delay queue"],' +
        '"kwargs":{},"options":{"redis_message_id":"<rid:8>"},"message_id":"<msg:5>",' +
        '"message_timestamp":<ts+0>}',
    },
  },
  steps: {
    2: {
      step: "receive: eta on main queue",
      reason: `${POSTPONED}; ${WHOLE_ETA}`,
      keys: replaced({
        ...waiting,
        "dramatiq:goldq": undefined,
        "dramatiq:goldq.msgs": messages("<rid:2>", "<rid:3>"),
        "dramatiq:goldq.DQ.msgs": messages("<rid:1>", "<rid:4>", "<rid:5>"),
      }),
      returned: none,
    },
    3: { step: "receive: eta null", reason: NO_ETA, returned: withEta(null) },
    4: { step: "receive: eta text", reason: NO_ETA, returned: withEta("soon") },
    5: { step: "receive: eta float", reason: POSTPONED, returned: none },
    6: {
      step: "in the work queue / in the delay queue",
      reason: NO_ETA,
      returned: () => [2, 2],
    },
    7: {
      step: "receive: no eta on delay queue",
      reason: NO_ETA_DELAYED,
      keys: replaced(waiting),
      returned: none,
    },
    8: { step: "work queue / delay queue", reason: NO_ETA_DELAYED, returned: () => [2, 2] },
    9: {
      step: "handle_delayed_messages at 1 s",
      reason: NO_ETA,
      keys: replaced({ ...waiting, "dramatiq:__heartbeats__": zset({ "<broker:1>": "<ts+0>" }) }),
    },
    10: {
      step: "handle_delayed_messages at 2 s",
      reason: NO_ETA,
      keys: replaced({
        ...waiting,
        "dramatiq:goldq": list("<rid:8>", "<rid:7>"),
        "dramatiq:goldq.msgs": messages("<rid:2>", "<rid:3>", "<rid:7>", "<rid:8>"),
        "dramatiq:goldq.DQ.etas": zset({ "<rid:1>": "<ts+5000>" }),
        "dramatiq:goldq.DQ.msgs": messages("<rid:1>"),
      }),
    },
  },
};

/** All that is otherwise here, by scenario. */
export const DIFFERENCES: Readonly<Record<string, ScenarioDifferences>> = {
  "delay": {
    steps: {
      3: {
        step: "delay queue consumer: receive",
        reason: SORTED,
        keys: sorted,
        returned: none,
      },
    },
  },
  "delay-order": {
    steps: {
      2: { step: "(all received)", reason: SORTED, keys: sorted },
      3: { step: "handle_delayed_messages at 2 s", reason: SORTED, keys: sorted },
    },
  },
  "delay-unknown-actor": {
    steps: {
      1: { step: "delay queue: receive", reason: SORTED, keys: sorted, returned: none },
      3: { step: "main queue: receive", reason: EXPLAINED, keys: withTraceback },
    },
  },
  "unknown-actor": {
    steps: {
      2: { step: "receive", reason: EXPLAINED, keys: withTraceback },
    },
  },
  "age-limit": {
    steps: {
      3: { step: "process at exactly max_age", reason: EXPLAINED, keys: withTraceback },
    },
  },
  "nack": {
    steps: {
      1: {
        step: "(one fetched from goldq, one from goldq.DQ)",
        reason: SORTED,
        keys: sorted,
      },
      2: { step: "nack on goldq", reason: SORTED, keys: sorted },
      3: {
        step: "nack on goldq.DQ",
        reason: "a delayed message is given to a worker, which may reject it, at its eta",
        keys: replaced({
          "dramatiq:__heartbeats__": zset({ "<broker:1>": "<ts+60000>" }),
          "dramatiq:goldq.XQ": zset({ "<rid:1>": "<ts+1000>", "<rid:2>": "<ts+60000>" }),
        }),
      },
    },
  },
  "retry-stepped": {
    steps: {
      4: { step: "delay queue: receive", reason: SORTED, keys: sorted, returned: none },
      7: {
        step: "process: fails again",
        reason: EXPLAINED,
        keys: deadLetters((text) =>
          text.replace('"retries":1,', '"retries":2,')
            .replace('"requeue_timestamp":<ts+1000>', '"requeue_timestamp":<ts+2000>')
        ),
      },
    },
  },
  "maintenance-two-queues": {
    steps: {
      2: { step: "B qsize goldother", reason: ALL_QUEUES, keys: takenOver("<broker:1>") },
      3: { step: "B qsize goldq", reason: ALL_QUEUES, keys: takenOver("<broker:1>") },
    },
  },
  "heartbeats": {
    steps: {
      4: {
        step: "B ack of an unknown id",
        reason: NOT_ASKED,
        keys: heartbeats({ "<broker:2>": "<ts+1000>" }),
      },
      5: {
        step: "A nack of an unknown id",
        reason: NOT_ASKED,
        keys: heartbeats({ "<broker:1>": "<ts+2000>", "<broker:2>": "<ts+1000>" }),
      },
      6: {
        step: "A purge",
        reason: NOT_ASKED,
        keys: heartbeats({ "<broker:2>": "<ts+1000>" }),
      },
      7: {
        step: "A requeue of an unknown id",
        reason: NOT_ASKED,
        keys: heartbeats({ "<broker:1>": "<ts+5000>", "<broker:2>": "<ts+1000>" }),
      },
      8: {
        step: "A fetch on empty",
        reason: NOT_ASKED,
        keys: heartbeats({ "<broker:2>": "<ts+1000>" }),
      },
    },
  },
  "qsize": {
    steps: {
      5: {
        step: "one of them unacked by A, asked by A",
        reason: "every message counts once, whoever asks",
        returned: () => 3,
      },
    },
  },
  "eta-odd": ETA_ODD,
  "live-retry": {
    messages: {
      "<rid:6>": {
        reason: EXPLAINED,
        text: '{"queue_name":"goldq","actor_name":"flaky","args":[1],"kwargs":{},"options":' +
          '{"redis_message_id":"<rid:6>","retries":3,"traceback":"<traceback>",' +
          '"requeue_timestamp":<ts>},"message_id":"<msg:1>","message_timestamp":<ts>}',
      },
    },
    steps: {},
  },
  "live-shutdown-requeue": {
    steps: {
      2: { step: "one running, prefetch 2", reason: SORTED, keys: sorted },
    },
  },
  "live-undecodable": {
    steps: {
      2: {
        step: "1.5 s later",
        reason: DEAD_LETTERED,
        keys: buried,
        returned: () => ["before", "after"],
      },
      3: {
        step: "after worker.stop()",
        reason: DEAD_LETTERED,
        returned: () => ["before", "after"],
      },
      4: { step: "maintenance by B", reason: DEAD_LETTERED, keys: buried },
    },
  },
};
