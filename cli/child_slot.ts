import { Child, type ChildListener, type ChildSettings, type Ending, type Role } from "./child.ts";
import { NO_CONNECTION, OK, REPLACE_ME } from "./exit_codes.ts";
import type { LogLevel } from "./log_line.ts";
import type { IpcRecord } from "./ipc.ts";

/** Record of a child that has started to work. */
export type ReadyRecord = IpcRecord & { readonly type: "ready" };

/** Outcome of a reload. */
export type Reloaded = "ready" | "superseded" | Ending;

/** Owner of child slots: the supervisor. */
export interface ChildSlotOwner {
  log(level: LogLevel, text: string, properties?: Record<string, unknown>): void;
  /** A child has started to work. */
  slotReady(slot: ChildSlot, child: Child, record: ReadyRecord): void;
  /** The slot cannot keep a child running, and has given up. */
  slotFailed(slot: ChildSlot, reason: string, ending: Ending): void;
  /** After a stop, the last child of the slot has ended. */
  slotEmptied(slot: ChildSlot): void;
}

/** Milliseconds: the end of a child that has worked for less counts as an instant death. */
const INSTANT = 5_000;
/** Number of instant deaths in a row after which the slot gives up. */
const MAX_INSTANT_DEATHS = 5;
/** Milliseconds between an instant death and the next child; doubles with each in a row. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
/** Milliseconds after which a child that is still starting is logged. */
const SLOW_START = 10_000;

/**
 * Keeps one worker process, or one fork, running. A child that dies is replaced:
 *
 * starting ─▶ working ─▶ dead ─▶ (pause) ─▶ starting ─▶ …
 *
 * A worker is reloaded without a gap: the old child stops once the new one works, and continues if
 * the new one fails. A fork is stopped first, since it may listen on a port.
 */
export class ChildSlot implements ChildListener {
  readonly role: Role;
  readonly #settings: ChildSettings;
  readonly #owner: ChildSlotOwner;
  /** All running children: the current one, the next one, and old ones that are finishing. */
  readonly #children: Set<Child> = new Set();
  #current: Child | undefined;
  /** Starting child of a reload, which replaces the current one. */
  #next: { readonly child: Child; readonly settle: (outcome: Reloaded) => void } | undefined;
  #hasWorked = false;
  #isStopping = false;
  #instantDeaths = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Timers of starting children. */
  readonly #slowStarts: Map<Child, ReturnType<typeof setTimeout>> = new Map();

  constructor(role: Role, settings: ChildSettings, owner: ChildSlotOwner) {
    this.role = role;
    this.#settings = settings;
    this.#owner = owner;
  }

  /** All running children: the current one, the next one, and old ones that are finishing. */
  get children(): ReadonlySet<Child> {
    return this.#children;
  }

  /** The child that works or is starting. */
  get current(): Child | undefined {
    return this.#current;
  }

  /** True if any child is running. */
  get isBusy(): boolean {
    return this.#children.size > 0;
  }

  /** True if a child had to be killed, or failed, during the stop. */
  endedBadly = false;

  /** Starts a child. */
  start(): void {
    clearTimeout(this.#timer);
    this.#current = this.#spawn();
  }

  /**
   * Replaces the current child with a new one.
   *
   * @returns `"ready"` once the new one works; its ending if it failed, and the old one continues.
   */
  reload(): Promise<Reloaded> {
    if (this.#isStopping) return Promise.resolve("superseded");
    clearTimeout(this.#timer);
    this.#instantDeaths = 0;
    const { promise, resolve } = Promise.withResolvers<Reloaded>();
    const previous = this.#next;
    this.#next = undefined;
    previous?.settle("superseded");
    previous?.child.stop();
    if (this.role.kind === "fork" && this.#current !== undefined) {
      this.#current.stop(); // `#replace` starts a new one after its end
      resolve("ready");
    } else {
      const child = this.#spawn();
      this.#next = { child, settle: resolve };
    }
    return promise;
  }

  /** Stops all children, and starts no more. */
  stop(): void {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    this.#next?.settle("superseded");
    this.#next = undefined;
    for (const child of this.#children) {
      this.#forgetStart(child);
      child.stop();
    }
    if (this.#children.size === 0) this.#owner.slotEmptied(this);
  }

  /** Kills all children. */
  kill(): void {
    for (const child of this.#children) child.kill();
  }

  /** A child has started to work. In a reload it replaces the current one. */
  ready(child: Child, record: ReadyRecord): void {
    this.#hasWorked = true;
    this.#forgetStart(child);
    if (child === this.#next?.child) {
      const { settle } = this.#next;
      this.#next = undefined;
      const old = this.#current;
      this.#current = child;
      old?.stop();
      settle("ready");
    }
    this.#owner.slotReady(this, child, record);
  }

  /** A child has requested a replacement: starts one at once, while it finishes. */
  retiring(child: Child, reason: string, level: LogLevel = "warning"): void {
    if (child !== this.#current || this.#isStopping) return;
    this.#owner.log(level, "Replacing {name}: {reason}", { name: child.name, reason });
    this.start();
    child.stop();
  }

  /** A child has ended. */
  ended(child: Child, ending: Ending): void {
    this.#children.delete(child);
    this.#forgetStart(child);
    if (this.#isStopping) {
      // A starting child may not handle SIGTERM yet, and die from it: that is not a failure.
      const isWell = ending.code === OK || ending.code === REPLACE_ME;
      this.endedBadly ||= child.wasKilled || (child.isReady && !isWell);
      if (this.#children.size === 0) this.#owner.slotEmptied(this);
      return;
    }
    if (child === this.#next?.child) {
      const { settle } = this.#next;
      this.#next = undefined;
      settle(ending);
      if (this.#current === undefined) this.#failed(child, ending);
    } else if (child === this.#current) {
      this.#current = undefined;
      // The starting child of a reload, if any, becomes the current one.
      if (this.#next === undefined) this.#replace(child, ending);
    } else if (child.wasKilled) {
      this.#owner.log("warning", "Killed {name}: it did not stop in time", {
        name: child.name,
        childPid: child.pid,
      });
    }
  }

  #spawn(): Child {
    const child = new Child(this.role, this.#settings, this);
    this.#children.add(child);
    const timer = setTimeout(() => {
      this.#slowStarts.delete(child);
      this.#owner.log(
        "warning",
        "{name} has not started to work after {seconds} s: it is importing its modules, or connecting",
        { name: child.name, childPid: child.pid, seconds: SLOW_START / 1_000 },
      );
    }, SLOW_START);
    this.#slowStarts.set(child, timer);
    return child;
  }

  #forgetStart(child: Child): void {
    clearTimeout(this.#slowStarts.get(child));
    this.#slowStarts.delete(child);
  }

  /** Starts a new child after the end of the current one, or gives up. */
  #replace(child: Child, ending: Ending): void {
    if (ending.code === REPLACE_ME) return this.start();
    if (this.role.kind === "fork") {
      if (child.isStopping) return this.start(); // reloaded
      if (ending.code === OK) {
        return this.#owner.log("info", "Finished {name}", { name: child.name });
      }
    }
    if (!this.#hasWorked) return this.#failed(child, ending);

    this.#instantDeaths = ending.workedFor < INSTANT ? this.#instantDeaths + 1 : 0;
    const isOutage = ending.code === NO_CONNECTION; // of the broker, so a later child can work
    const mayGiveUp = this.role.kind === "worker" && !isOutage;
    if (mayGiveUp && this.#instantDeaths >= MAX_INSTANT_DEATHS) {
      const reason =
        `Cannot keep ${child.name} running: ${this.#instantDeaths} times in a row it ` +
        `did not work for ${INSTANT / 1_000} s; the last one ${describe(ending)}`;
      return this.#owner.slotFailed(this, reason, ending);
    }
    const pause = this.#instantDeaths === 0
      ? 0
      : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#instantDeaths - 1));
    this.#owner.log("error", "Restarting {name} {when}: it {ending}", {
      name: child.name,
      childPid: child.pid,
      ending: describe(ending),
      when: pause === 0 ? "now" : `in ${pause} ms`,
    });
    if (pause === 0) return this.start();
    this.#timer = setTimeout(() => this.start(), pause);
  }

  /** Gives up: the first child has failed to start, and so would a second one. */
  #failed(child: Child, ending: Ending): void {
    const reason = ending.reason ?? `${child.name} ${describe(ending)} before it began to work`;
    this.#owner.slotFailed(this, reason, ending);
  }
}

/**
 * Describes the end of a child.
 *
 * @param ending The ending.
 * @returns A text to follow its name, such as `ended with code 1`.
 */
export function describe({ code, signal, reason }: Ending): string {
  if (reason !== undefined) return `did not start: ${reason}`;
  if (signal === "SIGKILL") return "was killed by SIGKILL, possibly because memory ran out";
  return signal === null ? `ended with code ${code}` : `was killed by ${signal}`;
}
