import type { ErrorClass } from "../../core/actor_options.ts";
import { DramatiqError } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { BootWatch } from "./boot_watch.ts";
import { Realm, type RealmOwner } from "./realm.ts";
import { leastLogLevel } from "./realm_log.ts";
import { toSpecifier } from "./realm_modules.ts";
import type { RealmOptions } from "./realm_options.ts";
import type { RealmSettings, Transport, TransportListener } from "./realm_protocol.ts";

const log = /* @__PURE__ */ getLogger("worker", "executor");

/** Milliseconds between a realm that did not start and the next attempt; doubles each time. */
const FIRST_BACKOFF = 100;
const LONGEST_BACKOFF = 10_000;
/** Realms in a row that do not start, after which the process should be replaced. */
const MAX_REFUSALS = 5;

/** Kind of realms. */
export interface RealmKind {
  readonly name: "thread" | "process";
  readonly plural: string;
  /** True if a realm can be ended while an actor blocks it. */
  readonly canEndBusy: boolean;
  /** Starts a realm. */
  open(settings: RealmSettings, listener: TransportListener): Transport;
}

/** The pool that owns a lifecycle. */
export interface RealmLifecycleOwner extends Omit<RealmOwner, "ready" | "refused"> {
  /** A realm did not start, and has ended. */
  refused(realm: Realm): void;
  /** The backoff after a realm that did not start is over. */
  mayTryAgain(): void;
}

/**
 * Keeps a number of realms running: starts them, and replaces those that are lost, with a growing
 * backoff if they do not start.
 */
export class RealmLifecycle {
  /** Kind of the realms. */
  readonly kind: RealmKind;
  /** Number of messages that each realm runs at once. */
  readonly concurrency: number;
  /** See `Executor.retired`. */
  readonly retired: Promise<string>;
  #count: number;
  readonly #settings: Omit<RealmSettings, "logLevel">;
  readonly #errorClasses: readonly ErrorClass[];
  readonly #resolveRetired: (reason: string) => void;
  readonly #owner: RealmLifecycleOwner;
  #realms: Realm[] = [];
  /** Realms that get no more runs, and are stopped once they are idle. */
  readonly #retiring: Set<Realm> = new Set();
  /** Realms that `start` waits for. */
  readonly #boots: Map<Realm, PromiseWithResolvers<readonly string[]>> = new Map();
  readonly #bootWatch: BootWatch;
  #refusals = 0;
  #backoff: ReturnType<typeof setTimeout> | undefined;
  #isStopping = false;

  /**
   * Stores and checks the options.
   *
   * @param kind Threads or processes.
   * @param count Number of realms.
   * @param options The modules, and the concurrency of each realm.
   * @param owner The pool.
   * @throws {TypeError} If no module is named, or one by a relative path.
   * @throws {RangeError} If `count` or `concurrency` is not a whole number above 0.
   */
  constructor(kind: RealmKind, count: number, options: RealmOptions, owner: RealmLifecycleOwner) {
    const { modules, brokerExport, concurrency = 8, errorClasses = [] } = options;
    assertCount(count, kind.plural);
    assertCount(concurrency, "messages at once");
    const specifiers = modules === "main" ? [] : specifiersOf(modules, kind);
    if (modules === "main" && brokerExport !== undefined) {
      throw new TypeError(
        `Cannot use brokerExport "${brokerExport}" of this program: name a module (modules)`,
      );
    }
    this.#settings = { modules: specifiers, brokerExport, concurrency, kind: kind.name };
    this.kind = kind;
    this.#bootWatch = new BootWatch(kind.name);
    this.concurrency = concurrency;
    this.#count = count;
    this.#errorClasses = errorClasses;
    this.#owner = owner;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.retired = promise;
    this.#resolveRetired = resolve;
  }

  /** True if realms run the program of this process instead of modules. */
  get runsProgram(): boolean {
    return this.#settings.modules.length === 0;
  }

  /** The realms that get runs, those that are starting included. */
  get realms(): readonly Realm[] {
    return this.#realms;
  }

  /** All realms, those that are retiring included. */
  get all(): readonly Realm[] {
    return this.#retiring.size === 0 ? this.#realms : [...this.#realms, ...this.#retiring];
  }

  /** True once `stop` was called. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** The realm with the fewest runs; `undefined` if none has room. */
  get leastLoaded(): Realm | undefined {
    let least: Realm | undefined;
    for (const realm of this.#realms) {
      if (realm.hasRoom && (least === undefined || realm.load < least.load)) least = realm;
    }
    return least;
  }

  /**
   * Starts all realms.
   *
   * @param actorNames The actors that they have to declare.
   * @throws {DramatiqError} If one does not start.
   * @throws {TypeError} If they do not declare one of the actors.
   */
  async start(actorNames: Iterable<string>): Promise<void> {
    this.replenish();
    for (const realm of this.#realms) this.#boots.set(realm, Promise.withResolvers());
    const boots = Array.from(this.#boots.values(), ({ promise }) => promise);
    try {
      const [names] = await Promise.all(boots);
      if (this.#isStopping) return;
      const missing = [...actorNames].filter((name) => !names!.includes(name));
      if (missing.length === 0) return;
      const declared = this.runsProgram
        ? "this program does not declare it before it starts its first worker"
        : `${this.#settings.modules.join(", ")} declare no such actor`;
      throw new TypeError(
        `Cannot run ${missing.join(", ")} in a ${this.kind.name}: ${declared}`,
      );
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends a `start` that waits for realms; `stop` follows. */
  cancelStart(): void {
    this.#isStopping = true;
    for (const { resolve } of this.#boots.values()) resolve([]);
  }

  /** Starts as many realms as are missing. */
  replenish(): void {
    if (this.#isStopping) return;
    while (this.#realms.length < this.#count) this.#realms.push(this.open(this.concurrency));
  }

  /**
   * Starts a realm that does not count, for suspects.
   *
   * @param concurrency Number of messages that it runs at once.
   */
  open(concurrency: number): Realm {
    const settings = { ...this.#settings, concurrency, logLevel: leastLogLevel() };
    const owner: RealmOwner = {
      ...this.#owner,
      ready: (realm, actorNames) => this.#ready(realm, actorNames),
      refused: (realm, error) => this.#refused(realm, error),
    };
    const realm = new Realm(
      owner,
      concurrency,
      this.#errorClasses,
      (listener) => this.kind.open(settings, listener),
    );
    this.#bootWatch.begin(realm);
    return realm;
  }

  /**
   * Changes the number of realms. Surplus ones finish their runs first.
   *
   * @param count The new number.
   */
  resize(count: number): void {
    this.#count = count;
    if (this.#isStopping) return;
    const byLoad = this.#realms.toSorted((a, b) => a.load - b.load);
    for (const realm of byLoad.slice(0, Math.max(0, this.#realms.length - count))) {
      this.remove(realm);
      this.#retiring.add(realm);
    }
    this.stopIdle();
    this.replenish();
  }

  /** Stops retiring realms that are idle. */
  stopIdle(): void {
    if (this.#retiring.size === 0) return;
    for (const realm of this.#retiring) {
      if (realm.load > 0) continue;
      this.#retiring.delete(realm);
      void realm.stop();
    }
  }

  /** Forgets a realm that is lost. */
  remove(realm: Realm): void {
    this.#bootWatch.end(realm);
    this.#retiring.delete(realm);
    this.#realms = this.#realms.filter((one) => one !== realm);
  }

  /** Notes that a blocked realm was killed. If the runtime cannot end it, the process must go. */
  leftBusy(): void {
    if (this.kind.canEndBusy) return;
    this.#retire(`a ${this.kind.name} computes for ever and cannot be ended on this runtime`);
  }

  #retire(reason: string): void {
    log.error("Restart this process: {reason}", { reason });
    this.#resolveRetired(reason);
  }

  /** Stops all realms. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#backoff);
    this.#bootWatch.stop();
    const answers = await Promise.all(this.all.map((realm) => realm.stop()));
    this.#realms = [];
    this.#retiring.clear();
    if (answers.includes(false)) this.leftBusy();
  }

  #ready(realm: Realm, actorNames: readonly string[]): void {
    this.#refusals = 0;
    this.#bootWatch.end(realm);
    this.#boots.get(realm)?.resolve(actorNames);
    this.#boots.delete(realm);
    this.#owner.roomMade();
  }

  #refused(realm: Realm, error: unknown): void {
    const reason = `Cannot start a ${this.kind.name}: ${errorMessage(error)}`;
    const failure = new DramatiqError(reason, { cause: error });
    const boot = this.#boots.get(realm);
    this.#boots.delete(realm);
    this.remove(realm);
    this.#owner.refused(realm);
    if (boot !== undefined) return boot.reject(failure);
    if (this.#isStopping) return;
    this.#refusals += 1;
    log.error("{reason}", { reason, error: failure });
    if (this.#refusals === MAX_REFUSALS) this.#retire(reason);
    clearTimeout(this.#backoff);
    this.#backoff = setTimeout(() => {
      this.replenish();
      this.#owner.mayTryAgain();
    }, Math.min(FIRST_BACKOFF * 2 ** (this.#refusals - 1), LONGEST_BACKOFF));
  }
}

function specifiersOf(modules: unknown, kind: RealmKind): string[] {
  if (Array.isArray(modules) && modules.length > 0) return modules.map(toSpecifier);
  throw new TypeError(
    `Cannot run actors in ${kind.plural}: name the modules that declare them (modules), or set ` +
      'modules to "main" to have each of them run this program',
  );
}

function assertCount(count: number, what: string): void {
  if (Number.isSafeInteger(count) && count >= 1) return;
  throw new RangeError(`Cannot run ${count} ${what}: it must be a whole number above 0`);
}
