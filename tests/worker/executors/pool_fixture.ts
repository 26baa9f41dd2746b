import {
  type Actor,
  actor,
  type Interrupt,
  Message,
  MessageProxy,
  type Run,
  StubBroker,
} from "@dq/dramatiq";
import type { RealmKind } from "../../../worker/executors/realm_lifecycle.ts";
import { RealmPool } from "../../../worker/executors/realm_pool.ts";
import {
  Ending,
  type FromRealm,
  SlotBoard,
  type ToRealm,
  type Transport,
  type TransportListener,
} from "../../../worker/executors/realm_protocol.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** The other side of a channel: a realm that does what the test says. */
export class SimulatedRealm implements Transport {
  readonly slots: SlotBoard | undefined;
  /** Messages sent to it. */
  readonly posted: ToRealm[] = [];
  isKilled = false;
  /** Called for what it is sent; what it throws, `post` throws. */
  onPost: (message: ToRealm) => void = () => {};
  readonly #listener: TransportListener;

  constructor(listener: TransportListener, slots: SlotBoard | undefined) {
    this.#listener = listener;
    this.slots = slots;
  }

  post(message: ToRealm): void {
    this.onPost(message);
    this.posted.push(message);
  }

  kill(): void {
    this.isKilled = true;
  }

  /** Says something. */
  say(message: FromRealm): void {
    this.#listener.received(message);
  }

  /** Says that it is ready. */
  ready(): void {
    this.say({ ready: ["fn"] });
  }

  /** Begins what is in a slot, where memory is shared. */
  begin(slot: number): void {
    this.slots?.begin(slot);
  }

  /** Ends what is in a slot. */
  end(slot: number, value: unknown = "done"): void {
    this.say({ ended: [slot, Ending.returned, value] });
  }

  /** Is gone. */
  die(how = "it ended with code 1", error?: Error): void {
    this.#listener.ended(how, error);
  }

  /** The first arguments of what was handed to it, by slot. */
  get handed(): [slot: number, argument: unknown][] {
    return this.posted.flatMap((message) => {
      if (!("runs" in message)) return [];
      const { runs } = message;
      return runs.flatMap((slot, i) =>
        i % 2 === 1 ? [] : [[slot as number, argumentOf(runs[i + 1])] as [number, unknown]]
      );
    });
  }
}

function argumentOf(data: unknown): unknown {
  const dict = typeof data === "string" ? JSON.parse(data) : data;
  return dict.args[0];
}

/** Has a realm answer when it is told to stop, as one does that is well. */
export function stopWhenAsked(realm: SimulatedRealm): void {
  realm.onPost = (message) => {
    if ("stop" in message) queueMicrotask(() => realm.say({ stopped: true }));
  };
}

/** Options of a pool. */
export interface PoolOptions {
  /** Realms. @default {1} */
  count?: number;
  /** Messages each takes. @default {1} */
  concurrency?: number;
  /** True if memory is shared, as with threads. @default {false} */
  isShared?: boolean;
}

/** A run, and what was told of it. */
export interface PlayedRun extends Run {
  isStale: boolean;
  readonly told: unknown[];
}

/** A pool whose realms are simulated by the test, which disposes of it. */
export function playPool({ count = 1, concurrency = 1, isShared = false }: PoolOptions = {}) {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, middleware: [] });
  const fn: Actor = actor(() => {}, { broker, actorName: "fn" });
  const realms: SimulatedRealm[] = [];
  const kind: RealmKind = {
    name: "thread",
    plural: "threads",
    canEndBusy: true,
    open(settings, listener) {
      const slots = isShared ? SlotBoard.create(settings.concurrency) : undefined;
      const realm = new SimulatedRealm(listener, slots);
      realms.push(realm);
      return realm;
    },
  };
  const modules = [new URL("./actors.ts", import.meta.url).href];
  const pool = new RealmPool(kind, count, { modules, concurrency });

  /** Starts the pool; all realms are ready. */
  const start = async () => {
    const starting = pool.start(broker);
    for (const realm of realms) realm.ready();
    await starting;
  };
  /** Gives a run to the pool, with a number for its argument. */
  const run = (argument: number): PlayedRun => {
    const told: unknown[] = [];
    const message = new MessageProxy(
      new Message({ queueName: "default", actorName: "fn", args: [argument] }),
    );
    const one: PlayedRun = {
      message,
      actor: fn,
      isStale: false,
      told,
      succeed: (result) => void told.push(result),
      fail: (error) => void told.push(error),
    };
    message.onInterrupt = {
      interrupted: (reason: Interrupt, grace) => pool.interrupt(one, reason, grace),
    };
    pool.run(one);
    return one;
  };
  /** Stops the pool. A realm that it left starting would be named in the log of a later test. */
  const dispose = async () => {
    realms.forEach(stopWhenAsked);
    await pool.stop();
  };
  return { clock, broker, pool, realms, kind, start, run, [Symbol.asyncDispose]: dispose };
}
