import { setTimeout as delay } from "node:timers/promises";
import { ConcurrentRateLimiter, ResultMissing, Worker } from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import { bounded, type Load, within } from "./load.ts";
import type { Party } from "./systems.ts";

/** The columns of the matrix. */
export type ActivityName =
  | "starting"
  | "idle"
  | "consuming"
  | "sending"
  | "waiting"
  | "holding"
  | "stopping";

/** Means of an activity. */
export interface Scene {
  /** Party that suffers from the fault, unless that happens to the whole server. */
  readonly near: Party;
  /** The others: they reach the server without the proxy. */
  readonly far: Party;
  readonly load: Load;
  readonly id: string;
  /** Stops something at the end, however the cell ends. */
  readonly stops: (() => Promise<unknown>)[];
}

/** Activity in one cell. Each step throws, with what was attempted, if something hangs. */
export interface Running {
  /** Goes on during the fault. */
  during?(isOver: () => boolean): Promise<void>;
  /** Resolves when it works again. */
  recover(): Promise<void>;
  /** Makes sure that nothing is lost. */
  verify?(): Promise<void>;
}

/** Activity of the library while a fault happens. */
export interface Activity {
  readonly name: ActivityName;
  /** Name for people. */
  readonly title: string;
  /** True if it has a connection by then that tells at once when it is closed. */
  readonly isConnected: boolean;
  /** Brings it to the point at which the fault begins. */
  prepare(scene: Scene): Promise<Running>;
}

/** Milliseconds in which what needs no server, or one that is well, is done. */
const LONGEST_STEP = 20_000;

/** All of them. */
export const ACTIVITIES: readonly Activity[] = [
  { name: "starting", title: "starting", isConnected: false, prepare: starting },
  { name: "idle", title: "idle", isConnected: true, prepare: idle },
  { name: "consuming", title: "consuming", isConnected: true, prepare: consuming },
  { name: "sending", title: "sending", isConnected: true, prepare: sending },
  { name: "waiting", title: "waiting for a result", isConnected: true, prepare: waiting },
  { name: "holding", title: "holding a limiter", isConnected: true, prepare: holding },
  { name: "stopping", title: "stopping", isConnected: true, prepare: stopping },
];

async function starting({ near, load, stops }: Scene): Promise<Running> {
  load.declare(near);
  await load.sendOnce();
  const worker = new Worker(near.broker, { concurrency: 4 });
  stops.push(() => worker.stop(0));
  return {
    during: () => within("start a worker", worker.start(), LONGEST_STEP),
    recover: () => load.untilDone([0]),
    verify: () => load.untilAllDone(),
  };
}

async function startWorker({ near, load, stops }: Scene): Promise<Worker> {
  load.declare(near);
  const worker = new Worker(near.broker, { concurrency: 4 });
  stops.push(() => worker.stop(0));
  await worker.start();
  await load.sendAndRun();
  return worker;
}

async function idle(scene: Scene): Promise<Running> {
  await startWorker(scene);
  return {
    recover: () => scene.load.sendAndRun(),
    verify: () => scene.load.untilAllDone(),
  };
}

async function consuming(scene: Scene): Promise<Running> {
  await startWorker(scene);
  const { load } = scene;
  load.flow();
  await eventually("send some", () => load.confirmed > 10);
  return {
    recover: () => load.sendAndRun(),
    verify: () => load.untilAllDone(),
  };
}

async function sending(scene: Scene): Promise<Running> {
  const { near, far, load, stops } = scene;
  await load.send(near);
  return {
    async during(isOver) {
      const sends: Promise<unknown>[] = [];
      while (!isOver()) {
        sends.push(load.send(near));
        await delay(200);
      }
      await Promise.all(sends);
    },
    async recover() {
      while (await load.send(near) === undefined);
    },
    async verify() {
      load.declare(far);
      const worker = new Worker(far.broker, { concurrency: 4 });
      stops.push(() => worker.stop(0));
      await worker.start();
      await load.untilAllDone();
    },
  };
}

async function waiting({ near, far, id }: Scene): Promise<Running> {
  const message = (n: number) => ({
    queueName: "matrix",
    actorName: "note",
    messageId: `${id}-${n}`,
  });
  await far.results.storeResult(message(0), 0, 60_000);
  await near.results.getResult(message(0), { block: true });
  const result = near.results.getResult(message(1), { block: true, timeout: 120_000 });
  result.catch(() => {});
  return {
    async during(isOver) {
      const reads: Promise<unknown>[] = [];
      while (!isOver()) {
        const reading = near.results.getResult(message(0)).catch((error) => {
          if (!(error instanceof ResultMissing)) throw error; // memcached was restarted
        });
        reads.push(bounded("read a result", reading));
        await delay(200);
      }
      await Promise.all(reads);
    },
    async recover() {
      while (!await bounded("store a result", far.results.storeResult(message(1), 1, 60_000)));
      await within("get a result", result, LONGEST_STEP);
    },
  };
}

async function holding({ near, far, id }: Scene): Promise<Running> {
  const mutex = (party: Party, key: string) =>
    new ConcurrentRateLimiter(party.limits, `${key}-${id}`, { limit: 1, ttl: 120_000 });
  const held = await mutex(near, "held").acquire();
  return {
    async during(isOver) {
      const attempts: Promise<unknown>[] = [];
      for (let i = 0; !isOver(); i++) {
        attempts.push(bounded("acquire a limiter", mutex(near, `other${i}`).acquire()));
        await delay(200);
      }
      await Promise.all(attempts);
    },
    async recover() {
      // A slot whose release is lost with its connection comes free with its time to live only.
      for (let i = 0; !await bounded("acquire", mutex(near, `later${i}`).acquire()); i++);
      await within("release a limiter", held.release(), LONGEST_STEP);
      await within("acquire it from afar", mutex(far, "held").acquire(), LONGEST_STEP);
    },
  };
}

async function stopping(scene: Scene): Promise<Running> {
  const { near, far, load, stops } = scene;
  const worker = await startWorker(scene);
  const gate = Promise.withResolvers<void>();
  load.gate = gate.promise;
  for (let i = 0; i < 6; i++) await load.sendOnce();
  await eventually("be at work", () => worker.running.length === 4);
  const close = async () => {
    await worker.stop();
    await near.broker.close();
  };
  let stopped: Promise<void> = Promise.resolve();
  return {
    async during() {
      stopped = close();
      gate.resolve();
      await within("stop a worker, and close its broker", stopped, LONGEST_STEP);
    },
    recover: () => within("stop a worker, and close its broker", stopped, LONGEST_STEP),
    async verify() {
      if (near.broker === far.broker) return; // it was in memory, and is closed
      load.declare(far);
      const other = new Worker(far.broker, { concurrency: 4 });
      stops.push(() => other.stop(0));
      await other.start();
      await load.untilAllDone();
    },
  };
}
