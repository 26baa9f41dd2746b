import type { ControlChange, ControlEntry, ControlOutcome } from "../core/control_store.ts";
import { BrokerConnectionError } from "../core/errors.ts";
import type { Message } from "../core/message.ts";
import type { Schedule } from "../core/schedules.ts";
import { getLogger } from "../platform/logging.ts";
import { retryDelay } from "../platform/retry_delay.ts";
import { errorMessage } from "../platform/thrown.ts";
import type { Ticks } from "./every.ts";
import { RUN_PREFIX, RUN_TTL, SCHEDULE_PAUSE_PREFIX, type TickState } from "./schedule_state.ts";
import type { RunnerOwner } from "./runner_owner.ts";
import { TickEntry } from "./tick_entry.ts";
import { tickMessage } from "./tick_message.ts";
import { jitterOf, latestTick, tickMessageId, timingOf } from "./ticks.ts";

const log = /* @__PURE__ */ getLogger("worker", "schedules");

/** Maximum of missed ticks that `missed: "all"` makes up after an outage. */
const MOST_MADE_UP = 100;
/** Milliseconds after which another worker takes over the publishing of a message. */
const SENDING_TIMEOUT = 10_000;

/**
 * Fires one schedule. The runners of all workers compete: they share the entry `tick/<name>` with
 * the last tick that was handled, sent or skipped. A runner claims a tick by changing that entry
 * with compare-and-set, not before the tick by the clock of the store.
 *
 * - On brokers that store messages with changes, one atomic step claims the tick and stores its
 *   message.
 * - On others, the claim sets `sending`, then the message is published, then `sending` is removed.
 *   If the worker dies in between, another one publishes the message again, under the same id.
 * - With the overlap policy `queue`, a tick whose predecessor has not finished becomes `waiting`.
 */
export class ScheduleRunner {
  readonly schedule: Schedule;
  readonly #owner: RunnerOwner;
  readonly #ticks: Ticks;
  readonly #timing: string;
  readonly #entry: TickEntry;
  /** The unfinished message that has refused the waiting tick. Until it changes, no new attempt. */
  #blockedBy: string | undefined;
  /** The message whose publishing this worker has claimed. */
  #publishing: string | undefined;
  #failures = 0;
  /** The last result of `#nextAfter`. */
  #next: { readonly after: number; readonly at: number | undefined } | undefined;

  /**
   * Stores the schedule; `run` fires it.
   *
   * @param owner The scheduler.
   * @param schedule The schedule.
   * @param ticks Its times.
   */
  constructor(owner: RunnerOwner, schedule: Schedule, ticks: Ticks) {
    this.#owner = owner;
    this.schedule = schedule;
    this.#ticks = ticks;
    this.#timing = timingOf(schedule);
    this.#entry = new TickEntry(schedule.name);
  }

  /** Updates the state from an entry of the store. */
  learn(entry: ControlEntry): void {
    if (this.#entry.learn(entry)) this.#blockedBy = undefined;
  }

  /**
   * Handles all ticks that are due. Never rejects.
   *
   * @returns When to call it again, by the clock of the store.
   */
  async run(): Promise<number> {
    try {
      while (this.#owner.isInCharge(this.schedule)) {
        const wakeAt = await this.#step();
        if (this.#failures > 0) this.#owner.outage.ended();
        this.#failures = 0;
        if (wakeAt !== undefined) return wakeAt;
      }
      return Infinity;
    } catch (error) {
      this.#owner.outage.began(error);
      return this.#owner.time.now + retryDelay(this.#failures++);
    }
  }

  /** @returns When to continue; `undefined` for at once. */
  async #step(): Promise<number | undefined> {
    const { state } = this.#entry;
    const { now } = this.#owner.time;
    if (state === undefined || state.timing !== this.#timing) return await this.#begin(state, now);
    if (state.sending !== undefined) return await this.#publishAgain(state, state.sending, now);
    const isBlocked = state.waiting === undefined || this.#blockedBy === state.messageId;
    if (!isBlocked) return await this.#sendWaiting(state, state.waiting!);
    const next = this.#nextAfter(state.tick);
    if (next === undefined) return Infinity;
    if (next > now) return next;
    return await this.#due(state, next, now);
  }

  /** Caches the next tick: computing the times of a cron pattern is expensive. */
  #nextAfter(tick: number): number | undefined {
    if (this.#next?.after !== tick) this.#next = { after: tick, at: this.#ticks.next(tick) };
    return this.#next.at;
  }

  /** Starts a schedule that is new, or whose timing has changed. Past times are never fired. */
  async #begin(state: TickState | undefined, now: number): Promise<undefined> {
    const { name } = this.schedule;
    const since = state && this.#owner.lastSeen(name, state.timing);
    const { waiting: _waiting, madeUp: _madeUp, ...others } = state ?? { sent: 0, skipped: 0 };
    const tick = Math.floor(Math.max(state?.tick ?? 0, since ?? now));
    await this.#change({ ...others, tick, timing: this.#timing });
  }

  async #due(state: TickState, next: number, now: number): Promise<number | undefined> {
    const { name, missed, grace } = this.schedule;
    const latest = latestTick(this.#ticks, state.tick, now) ?? next;
    const { madeUp: before, ...settled } = state;
    if (this.#owner.isPaused(name)) return await this.#skip(settled, latest, "it is paused");
    if (missed === "skip" && now - latest > grace) {
      return await this.#skip(settled, latest, `it is ${Math.round(now - latest)} ms late`);
    }
    if (missed !== "all" || next === latest) return await this.#fire(settled, latest);
    // Ticks that become due while others are made up do not count as missed.
    const madeUp = before === undefined || before.until < next
      ? { count: 0, until: latest }
      : before;
    const { count, until } = madeUp;
    if (count < MOST_MADE_UP) {
      return await this.#fire({ ...settled, madeUp: { count: count + 1, until } }, next);
    }
    log.warn("Skipping missed ticks of schedule {schedule}: {count} of them were made up", {
      schedule: name,
      count,
    });
    return await this.#skip(settled, until, "too many were missed");
  }

  /** Sends the message of a tick; skips or queues the tick if the last message has not finished. */
  async #fire(state: TickState, tick: number): Promise<number | undefined> {
    if (state.waiting !== undefined) return await this.#fireAfterWaiting(state, tick);
    const outcome = await this.#send({ ...state, tick }, tick);
    if (outcome === undefined || outcome.applied) return undefined;
    const { now } = outcome;
    if (now < tick) return tick;
    if (this.#hasMoved(outcome.found)) return undefined;
    const { name, overlap } = this.schedule;
    const pauseKey = SCHEDULE_PAUSE_PREFIX + name;
    if (outcome.found.some(({ key, value }) => key === pauseKey && value !== null)) {
      return await this.#skip(state, tick, "it is paused");
    }
    if (overlap !== "queue") return await this.#skip(state, tick, isUnfinished(state));
    await this.#change({ ...state, tick, waiting: tick }, tick);
    this.#blockedBy = state.messageId;
    return undefined;
  }

  /** Sends the waiting tick first. If that is still blocked, skips the tick that is due. */
  async #fireAfterWaiting(state: TickState, tick: number): Promise<undefined> {
    const { version } = this.#entry;
    await this.#sendWaiting(this.#entry.state!, state.waiting!);
    if (this.#entry.version === version) await this.#skip(state, tick, isUnfinished(state));
  }

  async #sendWaiting(state: TickState, tick: number): Promise<undefined> {
    const { waiting: _waiting, ...others } = state;
    const outcome = await this.#send(others, tick);
    if (outcome === undefined || outcome.applied) return;
    if (!this.#hasMoved(outcome.found)) this.#blockedBy = state.messageId;
  }

  /** Updates the state. @returns Whether another worker has changed it. */
  #hasMoved(found: readonly ControlEntry[]): boolean {
    const { version } = this.#entry;
    this.#noteFound(found);
    return this.#entry.version !== version;
  }

  async #skip(
    state: TickState,
    tick: number,
    reason: string,
    level: "info" | "error" = "info",
  ): Promise<undefined> {
    const isApplied = await this.#change({ ...state, tick, skipped: state.skipped + 1 }, tick);
    if (!isApplied) return;
    this.#owner.broker.schedules.skipped(this.schedule.name);
    log[level]("Skipped schedule {schedule} at {tick}: {reason}", {
      schedule: this.schedule.name,
      tick: new Date(tick).toISOString(),
      reason,
    });
  }

  /** Stores a state. @returns False if another worker has changed it, which is known now. */
  async #change(state: TickState, notBefore = -Infinity): Promise<boolean> {
    const { store, time } = this.#owner;
    const outcome = await time.ask(() => store.change([this.#entry.changeTo(state, notBefore)]));
    this.#noteFound(outcome.found);
    return outcome.applied;
  }

  #noteFound(found: readonly ControlEntry[]): void {
    const entry = found.find(({ key }) => key === this.#entry.key);
    if (entry === undefined) return;
    this.#entry.replace(entry);
    this.#blockedBy = undefined;
  }

  /**
   * Claims a tick and sends its message.
   *
   * @returns The outcome of the claim; `undefined` if the message was refused, and the tick
   *   skipped.
   */
  async #send(state: TickState, tick: number): Promise<ControlOutcome | undefined> {
    const { broker, store, time } = this.#owner;
    const { name, overlap } = this.schedule;
    const now = Math.round(time.now);
    const messageId = tickMessageId(name, tick);
    const delay = Math.max(0, tick + jitterOf(this.schedule, tick) - now);
    const sent = { ...state, messageId, sentTick: tick, sentAt: now, sent: state.sent + 1 };
    const next = broker.storesWithChanges ? sent : { ...sent, sending: now };
    const changes: ControlChange[] = [
      this.#entry.changeTo(next, tick),
      { key: SCHEDULE_PAUSE_PREFIX + name, value: null, ifVersion: 0 },
    ];
    if (overlap !== "allow") {
      // Only if the last message has finished.
      if (state.messageId !== undefined) {
        changes.push({ key: RUN_PREFIX + state.messageId, value: null, ifVersion: 0 });
      }
      const value = { name, since: now };
      changes.push({ key: RUN_PREFIX + messageId, value, ttl: RUN_TTL + delay });
    }
    const message = tickMessage(this.schedule, tick, messageId, now);
    const outcome = broker.storesWithChanges
      ? await this.#storeWith(state, message, changes, delay)
      : await time.ask(() => store.change(changes));
    if (outcome?.applied !== true) return outcome;
    this.#noteFound(outcome.found);
    if (!broker.storesWithChanges) {
      this.#publishing = messageId;
      if (!await this.#publish(next, message, delay)) return undefined;
    }
    broker.schedules.sent(name, Math.max(0, outcome.now - tick));
    log.debug("Sent message {messageId} of schedule {schedule}", { messageId, schedule: name });
    return outcome;
  }

  /**
   * Stores the message with its claim. Skips a message that can never be stored: no endless
   * retries.
   */
  async #storeWith(
    state: TickState,
    message: Message,
    changes: readonly ControlChange[],
    delay: number,
  ): Promise<ControlOutcome | undefined> {
    const { broker, time } = this.#owner;
    try {
      const options = delay > 0 ? { delay } : {};
      return await time.ask(() => broker.enqueueWith(message, changes, options));
    } catch (error) {
      if (error instanceof BrokerConnectionError) throw error;
      await this.#skip(state, state.tick, refusalOf(error), "error");
      return undefined;
    }
  }

  async #publishAgain(
    state: TickState,
    since: number,
    now: number,
  ): Promise<number | undefined> {
    const { messageId = "", sentTick = state.tick } = state;
    if (this.#publishing !== messageId) {
      // The worker that has claimed it may have died.
      if (now < since + SENDING_TIMEOUT) return since + SENDING_TIMEOUT;
      if (await this.#change({ ...state, sending: Math.round(now) })) this.#publishing = messageId;
      return undefined;
    }
    const delay = Math.max(0, sentTick + jitterOf(this.schedule, sentTick) - now);
    const message = tickMessage(this.schedule, sentTick, messageId, Math.round(now));
    await this.#publish(this.#entry.state!, message, delay);
    return undefined;
  }

  /** @returns Whether it was published; if not, its tick was skipped. */
  async #publish(state: TickState, message: Message, delay: number): Promise<boolean> {
    const { broker, store } = this.#owner;
    const { sending: _sending, ...others } = state;
    try {
      // `isPart` skips the claim of a unique message, as `enqueueWith` does: `overlap` replaces it.
      await broker.enqueue(message, { isPart: true, ...(delay > 0 && { delay }) });
    } catch (error) {
      if (error instanceof BrokerConnectionError) throw error;
      this.#publishing = undefined;
      await store.change([{ key: RUN_PREFIX + message.messageId, value: null }]);
      const refused = { ...others, sent: others.sent - 1 };
      await this.#skip(refused, others.tick, refusalOf(error), "error");
      return false;
    }
    this.#publishing = undefined;
    await this.#change(others);
    return true;
  }
}

function isUnfinished({ messageId }: TickState): string {
  return `message ${messageId} has not finished`;
}

function refusalOf(error: unknown): string {
  return `its message was refused: ${errorMessage(error)}`;
}
