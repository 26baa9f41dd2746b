import { type Actor, actor, Message, MessageProxy, StubBroker } from "@dq/dramatiq";
import type { MessageDict } from "../../../core/message_dict.ts";
import type { Run } from "../../../worker/executors/executor.ts";
import { RealmPool } from "../../../worker/executors/realm_pool.ts";
import {
  type Channel,
  type ChannelListener,
  type FromRealm,
  SlotBoard,
  type ToRealm,
} from "../../../worker/executors/realm_protocol.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** A realm that does nothing by itself: the test says what it tells the worker. */
export class ScriptedRealm implements Channel {
  readonly slots: SlotBoard | undefined;
  /** What the worker has sent. */
  readonly posted: ToRealm[] = [];
  /** Whether it was killed. */
  isKilled = false;
  readonly #listener: ChannelListener;

  constructor(listener: ChannelListener, slots: SlotBoard | undefined) {
    this.#listener = listener;
    this.slots = slots;
  }

  post(message: ToRealm): void {
    this.posted.push(structuredClone(message));
    if ("stop" in message) queueMicrotask(() => this.tell({ stopped: true }));
  }

  kill(): void {
    this.isKilled = true;
  }

  /** Tells the worker something. */
  tell(message: FromRealm): void {
    this.#listener.received(message);
  }

  /** Ends, and says no more than the system does. */
  end(how = "it was ended by SIGKILL"): void {
    this.#listener.ended(how);
  }

  /** The arguments of the runs that were handed to it, in order. */
  get handed(): unknown[] {
    return this.posted.flatMap((one) => "runs" in one ? one.runs.filter((_, i) => i % 2 === 1) : [])
      .map((data) => (data as MessageDict).args[0]);
  }
}

/** A run of the test, and what became of it. */
export class ScriptedRun implements Run {
  readonly message: MessageProxy;
  readonly actor: Actor;
  isStale = false;
  /** What it was told in the end: one thing. */
  readonly told: unknown[] = [];

  constructor(actor: Actor, name: string) {
    this.actor = actor;
    this.message = new MessageProxy(
      new Message({ queueName: "default", actorName: "x", args: [name] }),
    );
  }

  succeed(result: unknown): void {
    this.told.push(result);
  }

  fail(error: unknown): void {
    this.told.push((error as Error).constructor.name);
  }
}

/** A pool of realms that do what the test says. */
export class PoolStage {
  readonly clock: FakeClock = new FakeClock();
  readonly broker: StubBroker = new StubBroker({ clock: this.clock });
  readonly pool: RealmPool;
  /** All realms, in the order in which they were opened. */
  readonly realms: ScriptedRealm[] = [];
  /** How many messages each takes. */
  readonly sizes: number[] = [];
  readonly #actor: Actor = actor(() => {}, { broker: this.broker, actorName: "x" });

  /**
   * @param options How many realms there are, how many messages each takes, and whether the worker
   *   shares memory with them.
   */
  constructor(options: { count?: number; concurrency?: number; sharesMemory?: boolean } = {}) {
    const { count = 1, concurrency = 4, sharesMemory = false } = options;
    this.pool = new RealmPool(
      {
        name: "process",
        plural: "processes",
        canEndBusy: true,
        open: (settings, listener) => {
          const slots = sharesMemory ? SlotBoard.create(settings.concurrency) : undefined;
          const realm = new ScriptedRealm(listener, slots);
          this.realms.push(realm);
          this.sizes.push(settings.concurrency);
          return realm;
        },
      },
      count,
      { modules: ["file:///actors.js"], concurrency },
    );
  }

  /** Starts it; its first realms are ready then. */
  async start(): Promise<this> {
    const starting = this.pool.start(this.broker);
    for (const realm of this.realms) realm.tell({ ready: ["x"] });
    await starting;
    return this;
  }

  /** Has runs run, and gives them. */
  run(...names: string[]): ScriptedRun[] {
    const runs = names.map((name) => new ScriptedRun(this.#actor, name));
    for (const run of runs) this.pool.run(run);
    return runs;
  }

  /** A realm, by the order of opening. */
  realm(index: number): ScriptedRealm {
    return this.realms[index]!;
  }
}
