/**
 * The incident that a `Scene` shows: counts, workers and messages, made up.
 *
 * @module
 */
import { type Clock, systemClock } from "../../platform/clock.ts";
import type { InspectedMessage, MessageState } from "../../core/inspection.ts";
import type { ActorCounts, HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import { Message } from "@dq/dramatiq";
import { HOSTILE, HOSTILE_ERROR } from "./fixture.ts";

/** What a scene looks like. */
export interface SceneOptions {
  /** Names that would do harm on a page that does not escape them. */
  readonly isHostile?: boolean;
  /** Nothing at all. */
  readonly isEmpty?: boolean;
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
/** The present in the scene, so that pictures of it stay the same. */
const NOW = Date.UTC(2026, 2, 2, 14, 9, 31);
const start = Date.now();
/** Begins at the present of the scene. */
export const clock: Clock = { ...systemClock, now: () => NOW + (Date.now() - start) };
/** Numbers from 0 to 1, the same in each run. */
const wave = (i: number) => (Math.sin(i * 12.9898) * 43758.5453 % 1 + 1) % 1;

export function minuteAt(at: number, i: number, { isHostile }: SceneOptions): HistoryMinute {
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

export function workersAt(now: number, isHostile: boolean): WorkerReport[] {
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

export function deadLetters(isHostile: boolean): InspectedMessage[] {
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

export function others(state: MessageState, isHostile: boolean): InspectedMessage[] {
  return Array.from({ length: 60 }, (_, i) => {
    const actorName = isHostile && i < HOSTILE.length
      ? HOSTILE[i]!
      : ["sendMail", "charge"][i % 2]!;
    const eta = state === "delayed" ? { eta: NOW + (i + 1) * 5 * MINUTE } : {};
    return inspected(state, 20_000 + i, { actorName, ...eta });
  });
}
