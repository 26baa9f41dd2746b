import { setTimeout as delay } from "node:timers/promises";
import type { LogRecord } from "@logtape/logtape";
import { errorMessage } from "../../platform/thrown.ts";
import { textOf } from "../support/log.ts";
import { startProxy, type TcpProxy } from "../support/servers/proxy.ts";
import type { Activity, Running, Scene } from "./activities.ts";
import type { Fault } from "./faults.ts";
import { Load, within } from "./load.ts";
import type { MatrixServer, System } from "./systems.ts";

/** Milliseconds in which everything works again once the server is well. */
const LONGEST_RECOVERY = 5_000;
/** Milliseconds after which a cell that has not recovered is given up, to say how long it took. */
const LONGEST_WAIT = 40_000;
/** Milliseconds in which parties close. */
const LONGEST_CLOSE = 20_000;

/** Outcome of one cell. */
export interface Outcome {
  readonly system: System;
  readonly fault: Fault;
  readonly activity: Activity;
  /** Milliseconds from the end of the fault until it worked again; `undefined` if it never did. */
  readonly recovery: number | undefined;
  /** Problems; nothing in the best case. */
  readonly problems: readonly string[];
}

/** One cell: an activity behind a proxy of its own. */
export class Cell {
  readonly activity: Activity;
  readonly #system: System;
  readonly #fault: Fault;
  readonly #server: MatrixServer;
  readonly #id: string = crypto.randomUUID().replaceAll("-", "");
  readonly #problems: string[] = [];
  #proxy: TcpProxy | undefined;
  #scene: Scene | undefined;
  #running: Running | undefined;
  #during: Promise<void> = Promise.resolve();
  #isOver = false;
  #recovery: number | undefined;

  /**
   * @param system What is connected to.
   * @param fault What happens.
   * @param activity What goes on meanwhile.
   * @param server Where.
   */
  constructor(system: System, fault: Fault, activity: Activity, server: MatrixServer) {
    this.activity = activity;
    this.#system = system;
    this.#fault = fault;
    this.#server = server;
  }

  /** In front of the server. There from `prepare` on. */
  get proxy(): TcpProxy {
    return this.#proxy!;
  }

  /** Brings the activity to the point at which the fault begins. */
  async prepare(): Promise<void> {
    this.#proxy = await startProxy(this.#server);
    const near = this.#system.open(this.#proxy, this.#id);
    const far = this.#system.open(this.#server, this.#id, near);
    const load = new Load(this.#system, near, far, this.#id);
    this.#scene = { near, far, load, id: this.#id, stops: [] };
    await this.#step("prepare", async () => {
      const preparing = this.activity.prepare(this.#scene!);
      await within("get ready", preparing, LONGEST_WAIT);
      this.#running = await preparing;
    });
  }

  /** The fault has begun. */
  suffer(): void {
    this.#during = this.#step("during the fault", async () => {
      await this.#running?.during?.(() => this.#isOver);
    });
  }

  /** The fault is over. */
  async recover(): Promise<void> {
    this.#isOver = true;
    const from = performance.now();
    await this.#step("recover", async () => {
      if (this.#running === undefined) return;
      await within("work again", this.#running.recover(), LONGEST_WAIT);
      this.#recovery = performance.now() - from;
      if (this.#recovery <= LONGEST_RECOVERY) return;
      throw new Error(`it took ${Math.round(this.#recovery)} ms`);
    });
    await this.#during;
    await this.#step("verify", async () => {
      await this.#running?.verify?.();
      // memcached is connected to again with the next request only, and this may be the first.
      const { results } = this.#system.isForResults ? this.#scene!.near : {};
      const nothing = { queueName: "none", actorName: "none", messageId: this.#id };
      await results?.getResult(nothing).catch(() => {});
    });
  }

  /** Lets go of everything. */
  async close(): Promise<void> {
    const { near, far, stops } = this.#scene!;
    for (const stop of stops) {
      await this.#step("stop", () => within("stop a worker", stop(), LONGEST_CLOSE));
    }
    for (const party of [near, far]) {
      await this.#step("close", () => within("close", party.close(), LONGEST_CLOSE));
    }
    await this.#proxy![Symbol.asyncDispose]();
  }

  /** Looks at what was logged about its connections. */
  judge(lines: readonly LogRecord[]): Outcome {
    const { port } = this.#proxy!;
    const own = lines.filter(({ properties }) => `${properties["server"]}`.includes(`:${port}`));
    const texts = own.map(textOf);
    const lost = texts.filter((text) => text.startsWith(`Lost connection to ${this.#system.name}`));
    const back = texts.filter((text) => text.startsWith(`Reconnected to ${this.#system.name}`));
    const isSeen = this.#fault.severs && this.activity.isConnected && !this.#system.isForResults;
    const ends = this.activity.name === "stopping" ? back.length : lost.length;
    const most = this.#fault.flaps ? Infinity : 1;
    const isOk = lost.length <= most && back.length === ends && (lost.length > 0 || !isSeen);
    if (!isOk || texts.length > lost.length + back.length) {
      this.#problems.push(`log: ${texts.map((text) => JSON.stringify(text)).join(", ")}`);
    }
    const { activity } = this;
    const [system, fault] = [this.#system, this.#fault];
    return { system, fault, activity, recovery: this.#recovery, problems: this.#problems };
  }

  async #step(name: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#problems.push(`${name}: ${errorMessage(error)}`);
    }
  }
}

/**
 * Runs some cells in which the same happens to the same server, side by side.
 *
 * @param cells The cells, none of which was prepared.
 * @param duration Milliseconds for which the fault lasts.
 */
export async function runTogether(
  server: MatrixServer,
  fault: Fault,
  cells: readonly Cell[],
  duration: number,
): Promise<void> {
  try {
    await Promise.all(cells.map((cell) => cell.prepare()));
    const site = { server, proxies: cells.map(({ proxy }) => proxy) };
    await fault.begin(site);
    for (const cell of cells) cell.suffer();
    await delay(duration);
    await fault.end(site);
    await Promise.all(cells.map((cell) => cell.recover()));
  } finally {
    await Promise.all(cells.map((cell) => cell.close()));
  }
}
