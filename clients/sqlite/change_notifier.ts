import { getLogger } from "../../platform/logging.ts";
import { builtinModule, mayRead, mayWrite } from "../../platform/runtime.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { openNotifyFile } from "./notify_file.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "notifier");

/**
 * Milliseconds between two polls of the database while file events arrive. Each takes an idle process
 * about 0.2 ms, mostly for waking up.
 */
const SAFETY_INTERVAL = 250;
/** Milliseconds between two polls without file events, for `BUSY_TIME` after a change. */
const BUSY_POLL = 5;
/** The same afterwards. */
const IDLE_POLL = 25;
const BUSY_TIME = 1_000;
/** Milliseconds to wait for the event of this process's own write, before it polls more often. */
const TRIAL = 1_000;
/** Minimum of milliseconds between two writes to the file. */
const NOTIFY_INTERVAL = 1;
/** Milliseconds between two checks whether a transaction of the application has ended. */
const TRANSACTION_POLL = 5;
/** Maximum of such checks. */
const MAX_TRANSACTION_POLLS = 200;
/** Suffix of the file, after the name of the database. */
const SUFFIX = "-notify";
/** Content of the file. */
const BYTE = /* @__PURE__ */ Uint8Array.of(0x21);
/** Ratio of the time until the next poll to the time that listeners took: they get a tenth at most. */
const REST_FACTOR = 10;

/** The connection of a {@linkcode ChangeNotifier}. */
export interface ChangeNotifierOwner {
  /** Counter of SQLite that changes with each commit of another connection. */
  dataVersion(): number | undefined;
  /** Called several times a second while there are listeners. */
  tick(): void;
}

/** The part of `fs.FSWatcher` that this module uses. */
interface Watcher {
  close(): void;
}

/**
 * Notifies of commits of other connections.
 *
 * After a commit that others may wait for, a process writes one byte to a file beside the database, which
 * all others watch. Events of SQLite's write-ahead log would come too early: it is written before the
 * commit is visible. Four times a second the database itself is polled, for commits of other programs,
 * and for systems without file events.
 */
export class ChangeNotifier {
  readonly #owner: ChangeNotifierOwner;
  readonly #listeners: Set<() => void> = new Set();
  #file: string | undefined;
  /** True if there is no permission for the file. */
  #isPolling = false;
  #descriptor: number | undefined;
  /** Inode of the open file, which may have been replaced since. */
  #inode: number | undefined;
  #watcher: Watcher | undefined;
  #hasEvents = false;
  #trialEndsAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  #writeTimer: ReturnType<typeof setTimeout> | undefined;
  #writtenAt = -Infinity;
  #version: number | undefined;
  #changedAt = -Infinity;
  #nextPollAt = -Infinity;
  readonly #onPollTimer = (): void => this.#poll();
  readonly #tick = (): void => {
    this.#timer = undefined;
    this.#poll();
    this.#owner.tick();
    this.#setTimer();
  };

  constructor(owner: ChangeNotifierOwner) {
    this.#owner = owner;
  }

  /**
   * Starts for a database that was opened.
   *
   * @param databasePath Path of the database; `undefined` in memory.
   */
  opened(databasePath: string | undefined): void {
    const file = `${databasePath}${SUFFIX}`;
    this.#isPolling = databasePath !== undefined && !(mayRead(file) && mayWrite(file));
    this.#file = databasePath === undefined || this.#isPolling ? undefined : file;
    this.#version = this.#owner.dataVersion();
    if (this.#listeners.size > 0) this.#watch();
  }

  /** Closes the file. Listeners are kept for the next {@linkcode opened}. */
  closed(): void {
    if (this.#writeTimer !== undefined) this.#write();
    this.#unwatch();
    if (this.#descriptor !== undefined) builtinModule("node:fs").closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#file = undefined;
  }

  /**
   * Adds a listener for commits of any connection.
   *
   * @param listener Called after one or several commits.
   */
  listen(listener: () => void): void {
    this.#listeners.add(listener);
    if (this.#listeners.size > 1) return;
    this.#version = this.#owner.dataVersion();
    this.#watch();
    this.#setTimer();
  }

  /** Removes a listener. */
  unlisten(listener: () => void): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.#unwatch();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    clearTimeout(this.#pollTimer);
    this.#pollTimer = undefined;
  }

  /** Checks that the file exists: some systems have no event for the removal of an open file. */
  check(): void {
    if (this.#descriptor === undefined) return;
    // Not `stat`, which fails for a link to itself.
    const stat = builtinModule("node:fs").lstatSync(this.#file!, { throwIfNoEntry: false });
    if (stat?.ino !== this.#inode) this.#reopen();
  }

  /** Notifies of a commit of this connection. */
  notify(): void {
    this.#callListeners();
    if (this.#file === undefined || this.#writeTimer !== undefined) return;
    const wait = this.#writtenAt + NOTIFY_INTERVAL - performance.now();
    if (wait <= 0) this.#write();
    else this.#writeTimer = setTimeout(() => this.#write(), wait);
  }

  /**
   * Notifies after the end of a transaction of the application, if that can be detected. Otherwise others
   * find the commit when they poll.
   *
   * @param isOpen True while the transaction is open; `undefined` if that is unknown.
   */
  notifyAfter(isOpen: () => boolean | undefined): void {
    let polls = 0;
    const poll = () => {
      const open = isOpen();
      if (open === false) this.notify();
      else if (open === true && polls++ < MAX_TRANSACTION_POLLS) setTimeout(poll, TRANSACTION_POLL);
    };
    setTimeout(poll, 0);
  }

  #write(): void {
    clearTimeout(this.#writeTimer);
    this.#writeTimer = undefined;
    this.#writtenAt = performance.now();
    try {
      // Bytes, since Deno ignores the position for strings.
      builtinModule("node:fs").writeSync(this.#open(), BYTE, 0, 1, 0);
    } catch (error) {
      this.#logPolling(error); // others find the commit when they poll
    }
  }

  #open(): number {
    if (this.#descriptor === undefined) {
      const file = this.#file!;
      const opened = openNotifyFile(file, file.slice(0, -SUFFIX.length));
      this.#descriptor = opened.descriptor;
      this.#inode = opened.inode;
    }
    return this.#descriptor;
  }

  #watch(): void {
    if (this.#file === undefined || this.#watcher !== undefined) return;
    this.#hasEvents = false;
    try {
      this.#open();
      const watcher = builtinModule("node:fs").watch(this.#file, (event) => {
        this.#hasEvents = true;
        if (event === "rename") this.#reopen();
        this.#pollSoon();
      });
      watcher.unref?.();
      watcher.on("error", (error) => {
        this.#logPolling(error);
        this.#unwatch();
      });
      this.#watcher = watcher;
      this.#trialEndsAt = performance.now() + TRIAL;
      this.#write();
    } catch (error) {
      this.#logPolling(error);
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#hasEvents = false;
  }

  /** Opens the file again, after it was removed or replaced. */
  #reopen(): void {
    const fs = builtinModule("node:fs");
    this.#unwatch();
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
    if (this.#listeners.size > 0) this.#watch();
  }

  #logPolling(error: unknown): void {
    log.debug("Polling {file}: {reason}", { file: this.#file, reason: errorMessage(error), error });
  }

  #setTimer(): void {
    if (this.#listeners.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(this.#tick, this.#interval);
  }

  get #interval(): number {
    const now = performance.now();
    if (this.#hasEvents || (this.#watcher !== undefined && now < this.#trialEndsAt)) {
      return SAFETY_INTERVAL;
    }
    if (this.#file === undefined && !this.#isPolling) return SAFETY_INTERVAL;
    return now - this.#changedAt < BUSY_TIME ? BUSY_POLL : IDLE_POLL;
  }

  /** Polls at once, unless listeners were busy with the last change until now. */
  #pollSoon(): void {
    if (this.#pollTimer !== undefined) return;
    const wait = this.#nextPollAt - performance.now();
    if (wait <= 0) this.#poll();
    else this.#pollTimer = setTimeout(this.#onPollTimer, wait);
  }

  #poll(): void {
    clearTimeout(this.#pollTimer);
    this.#pollTimer = undefined;
    const version = this.#owner.dataVersion();
    if (version === this.#version || this.#listeners.size === 0) return;
    this.#version = version;
    this.#callListeners();
  }

  #callListeners(): void {
    if (this.#listeners.size === 0) return;
    const begun = performance.now();
    this.#changedAt = begun;
    for (const listener of this.#listeners) listener();
    const ended = performance.now();
    this.#nextPollAt = ended + Math.max(NOTIFY_INTERVAL, REST_FACTOR * (ended - begun));
  }
}
