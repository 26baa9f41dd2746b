import { Child, type ChildListener, type ChildSettings, type Ending, type Role } from "./child.ts";
import { NO_CONNECTION, OK, REPLACE_ME } from "./exit_codes.ts";
import type { LogLevel } from "./log_line.ts";
import type { IpcRecord } from "./ipc.ts";

/** Record of a worker that begins to work. */
export type ReadyRecord = IpcRecord & { readonly type: "ready" };

/** Outcome of a reload. */
export type Reloaded = "ready" | "superseded" | Ending;

/** Owner of child slots: the supervisor. */
export interface ChildSlotOwner {
  log(level: LogLevel, text: string, properties?: Record<string, unknown>): void;
  /** A child begins to work. */
  slotReady(slot: ChildSlot, child: Child, record: ReadyRecord): void;
  /** The slot cannot keep a child running, and tries no more. */
  slotFailed(slot: ChildSlot, reason: string, ending: Ending): void;
  /** Nothing of it is running any more, as it was told. */
  slotEmptied(slot: ChildSlot): void;
}

/** Milliseconds: what works for less was no good from the start. */
const INSTANT = 5_000;
/** So many instant deaths in a row are no accident. */
const MAX_INSTANT_DEATHS = 5;
/** Milliseconds before another one starts after an instant death; doubles with each. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
/** Milliseconds after which somebody may wonder why nothing is happening. */
const SLOW_START = 10_000;

/**
 * The place of one worker process, or of one fork. A child that dies is replaced:
 *
 * starting ─▶ working ─▶ dead ─▶ (pause) ─▶ starting ─▶ …
 *
 * A worker is reloaded without a gap: the old child stops when the new one works, and stays if
 * that never does. A fork, which may hold a port, stops first.
 */
export class ChildSlot implements ChildListener {
  readonly role: Role;
  readonly #settings: ChildSettings;
  readonly #owner: ChildSlotOwner;
  /** All that run: the current one, one to take its place, and those that finish. */
  readonly #children: Set<Child> = new Set();
  #current: Child | undefined;
  /** Is to take the place of the current one. */
  #next: { readonly child: Child; readonly settle: (outcome: Reloaded) => void } | undefined;
  #hasWorked = false;
  #isStopping = false;
  #instantDeaths = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Timers of children that have not begun to work. */
  readonly #slowStarts: Map<Child, ReturnType<typeof setTimeout>> = new Map();

  constructor(role: Role, settings: ChildSettings, owner: ChildSlotOwner) {
    this.role = role;
    this.#settings = settings;
    this.#owner = owner;
  }

  /** All that run: also those that are to take over, and those that finish. */
  get children(): ReadonlySet<Child> {
    return this.#children;
  }

  /** The child that works, or is to. */
  get current(): Child | undefined {
    return this.#current;
  }

  /** True if any child of it is running. */
  get isBusy(): boolean {
    return this.#children.size > 0;
  }

  /** True if any child had to be killed, or died while it was to stop. */
  endedBadly = false;

  /** Starts a child. */
  start(): void {
    clearTimeout(this.#timer);
    this.#current = this.#spawn();
  }

  /**
   * Puts a new child in the place of the present one.
   *
   * @returns `"ready"` when it works, or how it ended before it did: the old one stays then.
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
      this.#current.stop(); // another one starts when it has ended
      resolve("ready");
    } else {
      const child = this.#spawn();
      this.#next = { child, settle: resolve };
    }
    return promise;
  }

  /** Tells all to finish, and starts no more. */
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

  /** Ends all at once. */
  kill(): void {
    for (const child of this.#children) child.kill();
  }

  /** A child works: the one that is to take over does so. */
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

  /** A child that finishes because it must makes place for another one at once. */
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
      // One that has not begun may not have heard the signal, and have died of it.
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
      // One that starts just now takes the place.
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
        "{name} has not begun to work after {seconds} s: it is importing its modules, or connecting",
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

  /** Decides what follows from the end of a child that was to work. */
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
    const isOutage = ending.code === NO_CONNECTION; // the server is away, and will come back
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
    this.#owner.log("error", "{name} {ending}; another one starts {when}", {
      name: child.name,
      childPid: child.pid,
      ending: describe(ending),
      when: pause === 0 ? "now" : `in ${pause} ms`,
    });
    if (pause === 0) return this.start();
    this.#timer = setTimeout(() => this.start(), pause);
  }

  /** The first child did not get to work: a second one would not either. */
  #failed(child: Child, ending: Ending): void {
    const reason = ending.reason ?? `${child.name} ${describe(ending)} before it began to work`;
    this.#owner.slotFailed(this, reason, ending);
  }
}

/**
 * Says how a child ended, behind its name.
 *
 * @param ending How.
 * @returns For example `ended with code 1`.
 */
export function describe({ code, signal, reason }: Ending): string {
  if (reason !== undefined) return `did not start: ${reason}`;
  if (signal === "SIGKILL") return "was killed by SIGKILL, maybe for want of memory";
  return signal === null ? `ended with code ${code}` : `was killed by ${signal}`;
}
