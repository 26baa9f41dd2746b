import type {
  Ability,
  FoundMessages,
  InspectedMessage,
  Inspector,
  MessageQuery,
  Overview,
  QueueOverview,
} from "../../core/inspection.ts";
import type { HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import { ConnectionClosed, Control, StubBroker } from "@dq/dramatiq";
import {
  clock,
  deadLetters,
  HOUR,
  MINUTE,
  minuteAt,
  others,
  type SceneOptions,
  workersAt,
} from "./incident.ts";

export type { SceneOptions } from "./incident.ts";

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

  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}
