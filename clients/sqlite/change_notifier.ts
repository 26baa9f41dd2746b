import { getLogger } from "../../platform/logging.ts";
import { builtinModule, mayRead, mayWrite } from "../../platform/runtime.ts";
import { errorMessage } from "../../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "notifier");

/**
 * Milliseconds between two polls of the database while file events are heard. Each costs a
 * process that is idle about 0.2 ms, mostly for waking up.
 */
const SAFETY_INTERVAL = 250;
/** The same where there are none, shortly after something has changed. */
const BUSY_POLL = 5;
const IDLE_POLL = 25;
/** Milliseconds of the former after a change. */
const BUSY_TIME = 1_000;
/** Milliseconds in which the event of a write of its own must be heard. */
const TRIAL = 1_000;
/** Milliseconds between two writes to the file, at least. */
const NOTIFY_INTERVAL = 1;
/** Milliseconds between two looks whether a transaction of the application is over, and how many. */
const LOOK_INTERVAL = 5;
const MAX_LOOKS = 200;
/** End of the name of the file, after that of the database. */
const SUFFIX = "-notify";
/** Content of the file. */
const BYTE = /* @__PURE__ */ Uint8Array.of(0x21);
/** Listeners take this part of the time at most: the next look waits so many times as long. */
const REST_FACTOR = 10;

/** Connection, as a {@linkcode ChangeNotifier} sees it. */
export interface ChangeNotifierOwner {
  /** The counter of SQLite that changes with each commit of another connection. */
  dataVersion(): number | undefined;
  /** Called several times a second while there are listeners. */
  tick(): void;
}

/** The parts of `fs.FSWatcher` that are used. */
interface Watcher {
  close(): void;
}

/**
 * Says that another connection has committed something.
 *
 * Who commits what others may wait for writes one byte to a file beside the database, after the
 * commit, which all others watch. Watching the log of SQLite instead would say so too early: it is
 * written before the commit can be seen. Four times a second the database itself is asked, for
 * commits of other programs, and for systems without file events.
 */
export class ChangeNotifier {
  readonly #owner: ChangeNotifierOwner;
  readonly #listeners: Set<() => void> = new Set();
  #file: string | undefined;
  /** True if the file may not be used. */
  #isPolling = false;
  #descriptor: number | undefined;
  /** Number of the open file, which another one may have replaced by its name. */
  #inode: number | undefined;
  #watcher: Watcher | undefined;
  #hasEvents = false;
  #trialEndsAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #writeTimer: ReturnType<typeof setTimeout> | undefined;
  #writtenAt = -Infinity;
  #version: number | undefined;
  #changedAt = -Infinity;
  #nextLookAt = -Infinity;
  readonly #look = (): void => this.#lookNow();
  readonly #tick = (): void => {
    this.#timer = undefined;
    this.#lookNow();
    this.#owner.tick();
    this.#setTimer();
  };

  constructor(owner: ChangeNotifierOwner) {
    this.#owner = owner;
  }

  /**
   * Begins with a database that was opened.
   *
   * @param databasePath Its file; `undefined` if it has none.
   */
  opened(databasePath: string | undefined): void {
    const file = `${databasePath}${SUFFIX}`;
    this.#isPolling = databasePath !== undefined && !(mayRead(file) && mayWrite(file));
    this.#file = databasePath === undefined || this.#isPolling ? undefined : file;
    this.#version = this.#owner.dataVersion();
    if (this.#listeners.size > 0) this.#watch();
  }

  /** Lets go of the file. Listeners stay, for the next {@linkcode opened}. */
  closed(): void {
    if (this.#writeTimer !== undefined) this.#write();
    this.#unwatch();
    if (this.#descriptor !== undefined) builtinModule("node:fs").closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#file = undefined;
  }

  /**
   * Listens to changes, by whomever.
   *
   * @param listener Called after each, or after several.
   */
  listen(listener: () => void): void {
    this.#listeners.add(listener);
    if (this.#listeners.size > 1) return;
    this.#version = this.#owner.dataVersion();
    this.#watch();
    this.#setTimer();
  }

  /** Listens no longer. */
  unlisten(listener: () => void): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.#unwatch();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    clearTimeout(this.#lookTimer);
    this.#lookTimer = undefined;
  }

  /** Looks whether the file is still there: some systems say nothing of an open one that is removed. */
  check(): void {
    if (this.#descriptor === undefined) return;
    const stat = builtinModule("node:fs").statSync(this.#file!, { throwIfNoEntry: false });
    if (stat?.ino !== this.#inode) this.#reopen();
  }

  /** Says that this connection has committed something that others may wait for. */
  notify(): void {
    this.#tell();
    if (this.#file === undefined || this.#writeTimer !== undefined) return;
    const wait = this.#writtenAt + NOTIFY_INTERVAL - performance.now();
    if (wait <= 0) this.#write();
    else this.#writeTimer = setTimeout(() => this.#write(), wait);
  }

  /**
   * Says so once a transaction of the application is over, if that can be known: else others find
   * out by themselves.
   *
   * @param isOpen Whether the transaction is open.
   */
  notifyAfter(isOpen: () => boolean | undefined): void {
    let looks = 0;
    const look = () => {
      const open = isOpen();
      if (open === false) this.notify();
      else if (open === true && looks++ < MAX_LOOKS) setTimeout(look, LOOK_INTERVAL);
    };
    setTimeout(look, 0);
  }

  #write(): void {
    clearTimeout(this.#writeTimer);
    this.#writeTimer = undefined;
    this.#writtenAt = performance.now();
    try {
      // Bytes: Deno writes a text behind the one before, whatever place it is given.
      builtinModule("node:fs").writeSync(this.#open(), BYTE, 0, 1, 0);
    } catch (error) {
      this.#hasFailed(error); // others look by themselves
    }
  }

  #open(): number {
    const fs = builtinModule("node:fs");
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT;
    if (this.#descriptor === undefined) {
      const isNew = !fs.existsSync(this.#file!);
      this.#descriptor = fs.openSync(this.#file!, flags, 0o600);
      if (isNew) this.#share();
      this.#inode = fs.fstatSync(this.#descriptor).ino;
    }
    return this.#descriptor;
  }

  /**
   * Gives the new file the mode of the database and, as root, its owner, as SQLite does with its log.
   * Otherwise a command that root runs would leave a file that the workers cannot use.
   */
  #share(): void {
    const fs = builtinModule("node:fs");
    const file = this.#file!;
    try {
      const { mode, uid, gid } = fs.statSync(file.slice(0, -SUFFIX.length));
      fs.chmodSync(file, mode & 0o666);
      if (fs.statSync(file).uid !== uid) fs.chownSync(file, uid, gid);
    } catch {
      // Only root may give a file away; others find out that it changed when they poll.
    }
  }

  #watch(): void {
    if (this.#file === undefined || this.#watcher !== undefined) return;
    this.#hasEvents = false;
    try {
      this.#open();
      const watcher = builtinModule("node:fs").watch(this.#file, (event) => {
        this.#hasEvents = true;
        if (event === "rename") this.#reopen();
        this.#lookSoon();
      });
      watcher.unref?.();
      watcher.on("error", (error) => {
        this.#hasFailed(error);
        this.#unwatch();
      });
      this.#watcher = watcher;
      this.#trialEndsAt = performance.now() + TRIAL;
      this.#write();
    } catch (error) {
      this.#hasFailed(error);
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#hasEvents = false;
  }

  /** The file was removed or replaced: another one is made. */
  #reopen(): void {
    const fs = builtinModule("node:fs");
    this.#unwatch();
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
    if (this.#listeners.size > 0) this.#watch();
  }

  #hasFailed(error: unknown): void {
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

  /** Looks at once, unless listeners were busy with the last change until now. */
  #lookSoon(): void {
    if (this.#lookTimer !== undefined) return;
    const wait = this.#nextLookAt - performance.now();
    if (wait <= 0) this.#lookNow();
    else this.#lookTimer = setTimeout(this.#look, wait);
  }

  #lookNow(): void {
    clearTimeout(this.#lookTimer);
    this.#lookTimer = undefined;
    const version = this.#owner.dataVersion();
    if (version === this.#version || this.#listeners.size === 0) return;
    this.#version = version;
    this.#tell();
  }

  #tell(): void {
    if (this.#listeners.size === 0) return;
    const begun = performance.now();
    this.#changedAt = begun;
    for (const listener of this.#listeners) listener();
    const ended = performance.now();
    this.#nextLookAt = ended + Math.max(NOTIFY_INTERVAL, REST_FACTOR * (ended - begun));
  }
}
