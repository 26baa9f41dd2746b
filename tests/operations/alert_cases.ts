/** Series over which an alert is evaluated, in the notation of `promtool test rules`. */
export interface AlertCase {
  /** Situation, in words. */
  readonly about: string;
  /** Values, one a minute, by series. */
  readonly series: Readonly<Record<string, string>>;
  /** Minutes after which it is looked at. */
  readonly minute: number;
}

/** A case in which an alert fires. */
export interface FiringCase extends AlertCase {
  readonly labels?: Readonly<Record<string, string>>;
  /** The value of the expression, as its description shows it. */
  readonly value?: string;
}

/** Cases of one alert. */
export interface AlertCases {
  /** Cases in which it fires. */
  readonly fires: readonly FiringCase[];
  /** Cases in which it does not. */
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

/** For each alert, cases in which it fires and others in which it does not. */
export const ALERT_CASES: Readonly<Record<string, AlertCases>> = {
  BrokerUnreachable: {
    fires: [{
      about: "no instance has an answer",
      series: {
        'dramatiq_broker_up{instance="a"}': "1 0x10",
        'dramatiq_broker_up{instance="b"}': "0x10",
      },
      minute: 4,
    }],
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
    fires: [{
      about: "there are none",
      series: { dramatiq_broker_up: "1x20", [WORKING]: "2x5 0x20" },
      minute: 10,
    }, {
      about: "nothing that reports workers can be scraped",
      series: { up: "0x20" },
      minute: 10,
    }, {
      about: "a supervisor reports that its own do not work, and has not asked the broker",
      series: { [WORKING]: "0x20" },
      minute: 10,
    }],
    quiet: [
      { about: "there is one", series: { [WORKING]: "1x20" }, minute: 10 },
      {
        about: "nobody knows, for the broker is down",
        series: { dramatiq_broker_up: "0x20" },
        minute: 10,
      },
      {
        about: "nobody knows, for the broker does not tell",
        series: { dramatiq_broker_up: "1x20", [READY]: "5x20" },
        minute: 10,
      },
    ],
  },
  WorkersUnknown: {
    fires: [{
      about: "the broker refuses to tell",
      series: { dramatiq_broker_up: "1x30", [READY]: "5x30" },
      minute: 20,
    }],
    quiet: [
      {
        about: "there are none",
        series: { dramatiq_broker_up: "1x30", [WORKING]: "0x30" },
        minute: 20,
      },
      { about: "the broker is down", series: { dramatiq_broker_up: "0x30" }, minute: 20 },
      { about: "nothing can be scraped", series: { up: "0x30" }, minute: 20 },
    ],
  },
  QueueLate: {
    fires: [{
      about: "the first message waits",
      series: { [OLDEST]: "400x20", [PAUSED]: "0x20" },
      minute: 10,
      labels: { queue_name: "mails" },
      value: "6m 40s",
    }],
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
    fires: [{
      about: "more is sent than is run",
      series: { [READY]: "2000+10x90" },
      minute: 65,
      labels: { queue_name: "mails" },
      value: "2650",
    }],
    quiet: [
      { about: "it is long, and shrinks", series: { [READY]: "5000-10x90" }, minute: 65 },
      { about: "it grows, and is short", series: { [READY]: "0+10x90" }, minute: 65 },
      {
        about: "it grows, and the queue is paused",
        series: { [READY]: "2000+10x90", [PAUSED]: "1x90" },
        minute: 65,
      },
    ],
  },
  ErrorRatio: {
    fires: [{
      about: "half of the runs fail",
      series: { [MESSAGES]: "0+60x30", [ERRORS]: "0+30x30" },
      minute: 20,
      labels: { actor_name: "send" },
      value: "50%",
    }, {
      about: "half of the runs fail of an actor that had no series",
      series: { [MESSAGES]: "_x5 60+60x30", [ERRORS]: "_x5 30+30x30" },
      minute: 25,
      labels: { actor_name: "send" },
      value: "50%",
    }, {
      about: "half of the runs fail, before and after a restart",
      series: { [MESSAGES]: "0+60x10 stale 0+60x30", [ERRORS]: "0+30x10 stale 0+30x30" },
      minute: 20,
      labels: { actor_name: "send" },
      value: "50%",
    }],
    quiet: [
      {
        about: "many failed before the first look, and none since",
        series: { [MESSAGES]: "_x5 900+60x30", [ERRORS]: "_x5 900x30" },
        minute: 25,
      },
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
    fires: [{
      about: "three of four runs are retried",
      series: { [MESSAGES]: "0+120x30", [RETRIES]: "0+90x30" },
      minute: 20,
      labels: { actor_name: "send" },
      value: "75%",
    }, {
      about: "three of four runs are retried of an actor that had no series",
      series: { [MESSAGES]: "_x5 120+120x30", [RETRIES]: "_x5 90+90x30" },
      minute: 25,
      labels: { actor_name: "send" },
      value: "75%",
    }],
    quiet: [
      {
        about: "many were retried before the first look, and none since",
        series: { [MESSAGES]: "_x5 900+120x30", [RETRIES]: "_x5 900x30" },
        minute: 25,
      },
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
    fires: [
      died("one message died", "0x20 1x10", 25, "1"),
      died("500 died before the first look", "_x5 500x20", 8, "500"),
      died("500 died, and others follow", "_x5 500 501 503x20", 9, "503"),
      died("two died after a restart that lost the count", "5x20 stale _x3 2x20", 27, "2"),
      {
        about: "ten died in a worker beside one in which many had before",
        series: { [REJECTS]: "5x40", [REJECTS.replace('"a"', '"b"')]: "_x20 10x20" },
        minute: 25,
        labels: { actor_name: "send", queue_name: "mails" },
        value: "10",
      },
    ],
    quiet: [
      { about: "some died long ago", series: { [REJECTS]: "5x20" }, minute: 15 },
      { about: "some died before the first look", series: { [REJECTS]: "_x5 500x30" }, minute: 17 },
      { about: "the counter begins", series: { [REJECTS]: "_x5 0x30" }, minute: 8 },
      {
        about: "a restart kept the count",
        series: { [REJECTS]: "5x20 stale _x3 5x20" },
        minute: 27,
      },
    ],
  },
  StuckMessage: {
    fires: [{
      about: "a message runs for 70 minutes",
      series: { [RUNNING]: "0+60x100" },
      minute: 70,
      labels: { actor_name: "report" },
      value: "1h 10m 0s",
    }],
    quiet: [{ about: "it has run for 50", series: { [RUNNING]: "0+60x100" }, minute: 50 }],
  },
  QueuePaused: {
    fires: [{
      about: "somebody forgot to resume it",
      series: { [PAUSED]: "1x90" },
      minute: 70,
      labels: { queue_name: "mails" },
    }],
    quiet: [
      { about: "it was resumed", series: { [PAUSED]: "1x68 0x9" }, minute: 70 },
      { about: "it is for 50 minutes", series: { [PAUSED]: "1x90" }, minute: 50 },
    ],
  },
  ScheduleLate: {
    fires: [{
      about: "no worker sends its message",
      series: { [DUE]: "0+60x20" },
      minute: 10,
      labels: { schedule: "nightly" },
      value: "10m 0s",
    }],
    quiet: [{ about: "one has, late", series: { [DUE]: "0 60 120 0x20" }, minute: 10 }],
  },
};

/** DeadLetters fires for values of one counter. */
function died(about: string, values: string, minute: number, value: string): FiringCase {
  const labels = { actor_name: "send", queue_name: "mails" };
  return { about, series: { [REJECTS]: values }, minute, labels, value };
}
