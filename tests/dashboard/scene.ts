import { type Clock, systemClock } from "../../platform/clock.ts";
import type {
  Ability,
  ActorCounts,
  FoundMessages,
  HistoryMinute,
  InspectedMessage,
  Inspector,
  MessageQuery,
  MessageState,
  Overview,
  QueueOverview,
  WorkerReport,
} from "../../core/inspection.ts";
import { ConnectionClosed, Control, Message, StubBroker } from "@dq/dramatiq";
import { HOSTILE, HOSTILE_ERROR } from "./fixture.ts";

/** What a scene looks like. */
export interface SceneOptions {
  /** Names that would do harm on a page that does not escape them. */
  readonly isHostile?: boolean;
  /** Nothing at all. */
  readonly isEmpty?: boolean;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The present in the scene, so that pictures of it stay the same. */
const NOW = Date.UTC(2026, 2, 2, 14, 9, 31);
const start = Date.now();
const clock: Clock = { ...systemClock, now: () => NOW + (Date.now() - start) };

const ABILITIES: readonly Ability[] = [
  "browse:ready",
  "browse:delayed",
  "browse:dead",
  "browse:unacknowledged",
  "unacknowledged",
  "headAge",
  "find",
  "remove",
  "workers",
  "history",
];
/** Numbers from 0 to 1, the same in each run. */
const wave = (i: number) => (Math.sin(i * 12.9898) * 43758.5453 % 1 + 1) % 1;

/** A broker with an incident, made up for browsers to look at. It needs no server. */
export class Scene extends StubBroker {
  /** True while it does not answer. */
  isDown = false;
  /** Added to what waits: figures that change. */
  waiting = 0;
  readonly #options: SceneOptions;
  readonly #dead: InspectedMessage[];

  constructor(options: SceneOptions = {}) {
    super({ clock });
    this.#options = options;
    this.#dead = options.isEmpty ? [] : deadLetters(options.isHostile === true);
  }

  /** Pauses a queue, as somebody did before. */
  async begin(): Promise<void> {
    if (this.#options.isEmpty) return;
    const until = clock.now() + 2 * HOUR;
    await new Control(this).pause({ queue: "reports" }, { reason: "bad deploy (ada)", until });
  }

  override inspect(): Inspector {
    return new SceneInspector(this, this.#options, this.#dead);
  }
}

class SceneInspector implements Inspector {
  readonly abilities: ReadonlySet<Ability> = new Set(ABILITIES);
  readonly #scene: Scene;
  readonly #options: SceneOptions;
  readonly #dead: InspectedMessage[];

  constructor(scene: Scene, options: SceneOptions, dead: InspectedMessage[]) {
    this.#scene = scene;
    this.#options = options;
    this.#dead = dead;
  }

  whyNot(): undefined {
    return undefined;
  }

  #now(): number {
    if (this.#scene.isDown) {
      throw new ConnectionClosed("connect ECONNREFUSED 127.0.0.1:6379", { delivery: "none" });
    }
    return clock.now();
  }

  // deno-lint-ignore require-await -- what it throws is to be a rejection
  async overview(): Promise<Overview> {
    const now = this.#now();
    const queue = (queueName: string, rest: Partial<QueueOverview>): QueueOverview => ({
      queueName,
      ready: 0,
      delayed: 0,
      unacknowledged: 0,
      dead: 0,
      headSince: undefined,
      consumers: 2,
      ...rest,
    });
    if (this.#options.isEmpty) return { now, queues: [], isPartial: false };
    const queues = [
      queue("default", {
        ready: 1_208 + this.#scene.waiting,
        delayed: 312,
        unacknowledged: 16,
        dead: this.#dead.length,
        headSince: now - 48_000,
      }),
      queue("images", {
        ready: 4_120,
        unacknowledged: 4,
        dead: 341,
        headSince: now - 11 * MINUTE,
      }),
      queue("mails", { delayed: 12, unacknowledged: 2, dead: 3 }),
      queue("reports", { ready: 88_423, dead: 512, headSince: now - 2.23 * HOUR }),
      queue("webhooks", { ready: 17, headSince: now - 95_000, consumers: 0 }),
    ];
    return { now, queues, isPartial: false };
  }

  // deno-lint-ignore require-await -- as above
  async list(query: MessageQuery) {
    const now = this.#now();
    const { state, actorName, error, limit = 50, after = "0" } = query;
    const all = this.#options.isEmpty || query.queueName === "webhooks"
      ? []
      : state === "dead"
      ? this.#dead
      : others(state, this.#options.isHostile === true);
    const matching = all.filter((one) =>
      (actorName === undefined || one.actorName === actorName) &&
      (error === undefined || one.error?.includes(error))
    );
    const from = Number(after);
    return {
      messages: matching.slice(from, from + limit),
      total: all.length,
      scanned: Math.min(limit, all.length - from),
      next: from + limit < matching.length ? `${from + limit}` : undefined,
      movedTo: undefined,
      now,
    };
  }

  // deno-lint-ignore require-await -- as above
  async get(ref: InspectedMessage["ref"]): Promise<InspectedMessage | undefined> {
    this.#now();
    const all = ref.state === "dead"
      ? this.#dead
      : others(ref.state, this.#options.isHostile === true);
    return all.find((one) => one.ref.key === ref.key);
  }

  async find(messageId: string): Promise<FoundMessages> {
    const { messages } = await this.list({ queueName: "default", state: "dead", limit: 200 });
    const found = messages.filter((one) => one.messageId === messageId);
    return { messages: found, running: [], scanned: messages.length, isComplete: false };
  }

  // deno-lint-ignore require-await -- as above
  async change(refs: readonly InspectedMessage["ref"][]) {
    this.#now();
    return refs.map((ref) => {
      const at = this.#dead.findIndex((one) => one.ref.key === ref.key);
      if (at < 0) return { ref, outcome: "gone" as const };
      this.#dead.splice(at, 1);
      return { ref, outcome: "done" as const };
    });
  }

  purge(): Promise<number> {
    return Promise.resolve(0);
  }

  // deno-lint-ignore require-await -- as above
  async workers(): Promise<WorkerReport[]> {
    const now = this.#now();
    return this.#options.isEmpty ? [] : workersAt(now, this.#options.isHostile === true);
  }

  // deno-lint-ignore require-await -- as above
  async history(minutes: number): Promise<HistoryMinute[]> {
    const now = this.#now();
    const first = Math.floor(now / MINUTE) * MINUTE - (minutes - 1) * MINUTE;
    if (this.#options.isEmpty) return [];
    return Array.from(
      { length: minutes },
      (_, i) => minuteAt(first + i * MINUTE, i, this.#options),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function minuteAt(at: number, i: number, { isHostile }: SceneOptions): HistoryMinute {
  const isBad = i >= 48; // the deploy
  const part = Math.min(1, (clock.now() - at) / MINUTE); // of the present minute
  const counts = (done: number, failed: number, dead = 0): ActorCounts => ({
    done: Math.round(part * done * (0.8 + 0.4 * wave(i + done))),
    failed: Math.round(part * failed * (0.7 + 0.6 * wave(i + failed + 7))),
    retried: Math.round(part * failed / 2),
    dead: Math.round(part * dead * (0.5 + wave(i))),
  });
  return {
    at,
    actors: {
      [isHostile ? HOSTILE[0]! : "sendMail"]: isBad ? counts(9_800, 1_900, 81) : counts(16_000, 12),
      resize: isBad ? counts(5_600, 60, 4) : counts(5_600, 9),
      charge: counts(2_400, 3),
      buildReport: i < 46 ? counts(110, 1) : counts(0, 0),
      [isHostile ? HOSTILE[3]! : "notify"]: counts(900, 0),
    },
  };
}

function workersAt(now: number, isHostile: boolean): WorkerReport[] {
  const actors = [isHostile ? HOSTILE[0]! : "sendMail", "resize", "charge"];
  const queues = ["default", "images", "mails"];
  return [["web-3", 4711, 16], ["web-4", 902, 6]].map(([host, pid, running], w): WorkerReport => ({
    id: `0b2f6d1e-${w}`,
    host: isHostile ? HOSTILE[w]! : String(host),
    pid: Number(pid),
    queues,
    concurrency: 16,
    running: Number(running),
    schedules: undefined,
    bootedAt: now - (w === 0 ? 3.4 : 52) * HOUR,
    seenAt: now - 400,
    hasReport: true,
    state: "working",
    runtime: w === 0 ? "deno 2.9.6" : "bun 1.4.5",
    version: "0.1.0",
    messages: Array.from({ length: Number(running) }, (_, i) => ({
      messageId: isHostile && i < HOSTILE.length ? HOSTILE[i]! : idOf(1_000 + w * 50 + i),
      actorName: actors[i % actors.length]!,
      queueName: queues[i % queues.length]!,
      since: now - (i === 0 && w === 0 ? 6.5 * MINUTE : 41_000 / (i + 1)),
      attempt: 1 + i % 3,
      key: idOf(1_000 + w * 50 + i),
    })),
    actors: { sendMail: { done: 412_907, failed: 13_022, retried: 9_004, dead: 812 } },
    lag: w === 0 ? 12 : 4,
    rss: (190 + 31 * w) * 2 ** 20,
  })).concat([{
    id: "5b1c44aa-python",
    host: undefined,
    pid: 0,
    queues: ["reports"],
    concurrency: 0,
    running: 0,
    schedules: undefined,
    bootedAt: 0,
    seenAt: now - 900,
    hasReport: false,
    state: "working",
    runtime: undefined,
    version: undefined,
    messages: [],
    actors: {},
    lag: undefined,
    rss: undefined,
  }]);
}

function idOf(n: number): string {
  const hex = (i: number) => Math.floor(wave(n * 7 + i) * 0xffff).toString(16).padStart(4, "0");
  return `${hex(1)}${hex(2)}-${hex(3)}-4${hex(4).slice(1)}-9${hex(5).slice(1)}-${hex(6)}${hex(7)}${
    hex(8)
  }`;
}

function inspected(
  state: MessageState,
  n: number,
  given: { actorName: string; error?: string; diedAt?: number; eta?: number; arg?: unknown },
  messageId = idOf(n),
): InspectedMessage {
  const sentAt = (given.diedAt ?? given.eta ?? NOW) - (17 + n % 5) * MINUTE;
  const { actorName, error } = given;
  const traceback = error === undefined ? {} : {
    traceback:
      `${error}\n    at upstream (file:///app/mails.ts:41:11)\n    at sendMail (file:///app/mails.ts:12:9)\n`,
  };
  const message = new Message({
    queueName: "default",
    actorName,
    messageId,
    messageTimestamp: sentAt,
    args: [{ to: "grace@example.com", template: "welcome", tenant: 7 }, given.arg ?? n],
    options: { retries: 3, ...traceback },
  });
  const data = message.encode();
  return {
    ref: { queueName: "default", state, key: messageId },
    messageId,
    actorName,
    sentAt,
    eta: given.eta,
    diedAt: given.diedAt,
    retries: state === "dead" ? 3 : 0,
    error,
    size: data.length,
    message,
    decodeError: undefined,
    data,
    isCut: false,
  };
}

function deadLetters(isHostile: boolean): InspectedMessage[] {
  const kinds: readonly [string, string, number][] = [
    ["sendMail", "TimeoutError: upstream took too long", 163],
    ["resize", "RangeError: width is 0", 41],
    ["sendMail", "TypeError: Cannot read properties of undefined (reading 'tenant')", 9],
    ["charge", "PaymentRefused: the card has expired", 3],
  ];
  const letters = kinds.flatMap(([actorName, error, count], kind) =>
    Array.from({ length: count }, (_, i) =>
      inspected("dead", kind * 1_000 + i, {
        actorName,
        error,
        diedAt: NOW - Math.round((i + wave(i) + kind * 2.7) * (kind === 0 ? 4_000 : 22_000)),
      }))
  );
  const hostile = isHostile
    ? HOSTILE.map((name, i) =>
      inspected("dead", 9_000 + i, {
        actorName: name,
        error: `${HOSTILE_ERROR} ${name}`,
        diedAt: NOW - i,
        arg: i === 0 ? name.repeat(40_000) : name,
      }, name)
    )
    : [];
  return [...hostile, ...letters].toSorted((a, b) => b.diedAt! - a.diedAt!);
}

function others(state: MessageState, isHostile: boolean): InspectedMessage[] {
  return Array.from({ length: 60 }, (_, i) => {
    const actorName = isHostile && i < HOSTILE.length
      ? HOSTILE[i]!
      : ["sendMail", "charge"][i % 2]!;
    const eta = state === "delayed" ? { eta: NOW + (i + 1) * 5 * MINUTE } : {};
    return inspected(state, 20_000 + i, { actorName, ...eta });
  });
}
