/** Series over which an alert is evaluated, in the notation of `promtool test rules`. */
export interface AlertCase {
  /** What is the matter, or why not. */
  readonly about: string;
  /** Values, one a minute, by series. */
  readonly series: Readonly<Record<string, string>>;
  /** Minutes after which it is looked at. */
  readonly minute: number;
}

/** Cases of one alert. */
export interface AlertCases {
  /** One in which it fires. */
  readonly fires: AlertCase & {
    readonly labels?: Readonly<Record<string, string>>;
    /** The value of the expression, as its description shows it. */
    readonly value?: string;
  };
  /** Those in which it does not. */
  readonly quiet: readonly AlertCase[];
}

const READY = 'dramatiq_queue_messages{queue_name="mails",state="ready"}';
const OLDEST = 'dramatiq_queue_oldest_seconds{queue_name="mails"}';
const PAUSED = 'dramatiq_queue_paused{queue_name="mails"}';
const WORKING = 'dramatiq_workers{state="working"}';
const RUNNING = 'dramatiq_running_oldest_seconds{actor_name="report"}';
const DUE = 'dramatiq_schedule_due_seconds{schedule="nightly"}';
const LABELS = 'actor_name="send",queue_name="mails",instance="a"';
const MESSAGES = `dramatiq_messages_total{${LABELS}}`;
const ERRORS = `dramatiq_message_errors_total{${LABELS}}`;
const RETRIES = `dramatiq_message_retries_total{${LABELS}}`;
const REJECTS = `dramatiq_message_rejects_total{${LABELS}}`;

/** For each alert, a case in which it fires and others in which it does not. */
export const ALERT_CASES: Readonly<Record<string, AlertCases>> = {
  BrokerUnreachable: {
    fires: {
      about: "no instance has an answer",
      series: {
        'dramatiq_broker_up{instance="a"}': "1 0x10",
        'dramatiq_broker_up{instance="b"}': "0x10",
      },
      minute: 4,
    },
    quiet: [{
      about: "one instance has an answer",
      series: {
        'dramatiq_broker_up{instance="a"}': "0x10",
        'dramatiq_broker_up{instance="b"}': "1x10",
      },
      minute: 10,
    }],
  },
  NoWorkers: {
    fires: {
      about: "there are none",
      series: { dramatiq_broker_up: "1x20", [WORKING]: "2x5 0x20" },
      minute: 10,
    },
    quiet: [
      { about: "there is one", series: { [WORKING]: "1x20" }, minute: 10 },
      {
        about: "nobody knows, for the broker is down",
        series: { dramatiq_broker_up: "0x20" },
        minute: 10,
      },
    ],
  },
  QueueLate: {
    fires: {
      about: "the first message waits",
      series: { [OLDEST]: "400x20", [PAUSED]: "0x20" },
      minute: 10,
      labels: { queue_name: "mails" },
      value: "6m 40s",
    },
    quiet: [
      { about: "it waits for less", series: { [OLDEST]: "200x20" }, minute: 10 },
      {
        about: "the queue is paused",
        series: { [OLDEST]: "400x20", [PAUSED]: "1x20" },
        minute: 10,
      },
    ],
  },
  BacklogGrows: {
    fires: {
      about: "more is sent than is run",
      series: { [READY]: "2000+10x90" },
      minute: 65,
      labels: { queue_name: "mails" },
      value: "2650",
    },
    quiet: [
      { about: "it is long, and shrinks", series: { [READY]: "5000-10x90" }, minute: 65 },
      { about: "it grows, and is short", series: { [READY]: "0+10x90" }, minute: 65 },
    ],
  },
  ErrorRatio: {
    fires: {
      about: "half of the runs fail",
      series: { [MESSAGES]: "0+60x30", [ERRORS]: "0+30x30" },
      minute: 20,
      labels: { actor_name: "send" },
      value: "50%",
    },
    quiet: [
      {
        about: "one in twenty fails",
        series: { [MESSAGES]: "0+60x30", [ERRORS]: "0+3x30" },
        minute: 20,
      },
      {
        about: "all fail, three a minute",
        series: { [MESSAGES]: "0+3x30", [ERRORS]: "0+3x30" },
        minute: 20,
      },
    ],
  },
  RetryStorm: {
    fires: {
      about: "three of four runs are retried",
      series: { [MESSAGES]: "0+120x30", [RETRIES]: "0+90x30" },
      minute: 20,
      labels: { actor_name: "send" },
      value: "75%",
    },
    quiet: [
      {
        about: "one in four is",
        series: { [MESSAGES]: "0+120x30", [RETRIES]: "0+30x30" },
        minute: 20,
      },
      {
        about: "all are, thirty a minute",
        series: { [MESSAGES]: "0+30x30", [RETRIES]: "0+30x30" },
        minute: 20,
      },
    ],
  },
  DeadLetters: {
    fires: {
      about: "one message died",
      series: { [REJECTS]: "0x5 1x10" },
      minute: 8,
      labels: { actor_name: "send", queue_name: "mails" },
      value: "1",
    },
    quiet: [{ about: "some died long ago", series: { [REJECTS]: "5x20" }, minute: 15 }],
  },
  StuckMessage: {
    fires: {
      about: "a message runs for 70 minutes",
      series: { [RUNNING]: "0+60x100" },
      minute: 70,
      labels: { actor_name: "report" },
      value: "1h 10m 0s",
    },
    quiet: [{ about: "it has run for 50", series: { [RUNNING]: "0+60x100" }, minute: 50 }],
  },
  QueuePaused: {
    fires: {
      about: "somebody forgot to resume it",
      series: { [PAUSED]: "1x90" },
      minute: 70,
      labels: { queue_name: "mails" },
    },
    quiet: [
      { about: "it was resumed", series: { [PAUSED]: "1x68 0x9" }, minute: 70 },
      { about: "it is for 50 minutes", series: { [PAUSED]: "1x90" }, minute: 50 },
    ],
  },
  ScheduleLate: {
    fires: {
      about: "no worker sends its message",
      series: { [DUE]: "0+60x20" },
      minute: 10,
      labels: { schedule: "nightly" },
      value: "10m 0s",
    },
    quiet: [{ about: "one has, late", series: { [DUE]: "0 60 120 0x20" }, minute: 10 }],
  },
};
