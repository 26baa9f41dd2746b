import { setTimeout as delay } from "node:timers/promises";
import {
  type Actor,
  actor,
  BrokerConnectionError,
  type Message,
  ResultMissing,
} from "@dq/dramatiq";
import { deadline } from "@std/async";
import { eventually } from "../support/servers/until.ts";
import type { Party, System } from "./systems.ts";

/** Milliseconds that no operation may take, whatever the server does: far above all time-outs. */
const LONGEST_OPERATION = 15_000;
/** Milliseconds in which everything has run once the server is well: also what a dead worker had. */
const LONGEST_REST = 45_000;
/** Milliseconds between two messages of a load. */
const INTERVAL = 25;

/**
 * Waits for an operation that may succeed or fail with the error of an outage, but not hang.
 *
 * @returns Whether it succeeded.
 */
export async function bounded(what: string, operation: Promise<unknown>): Promise<boolean> {
  try {
    await within(what, operation, LONGEST_OPERATION);
    return true;
  } catch (error) {
    if (error instanceof BrokerConnectionError) return false;
    throw error;
  }
}

/** Waits for what must happen, and says what did not. */
export async function within(what: string, work: Promise<unknown>, ms: number): Promise<void> {
  const timedOut = new Error(`Cannot ${what}: it hangs, for ${ms} ms by now`);
  await deadline(work, ms).catch((error) => {
    throw (error as Error).name === "TimeoutError" ? timedOut : error;
  });
}

/** Numbered messages of one cell, and what became of them. */
export class Load {
  readonly #system: System;
  readonly #near: Party;
  readonly #far: Party;
  readonly #id: string;
  readonly #ran: Set<number> = new Set();
  readonly #confirmed: Map<number, Message> = new Map();
  readonly #notes: Map<Party, Actor<[number], number>> = new Map();
  #next = 0;
  #isEnding = false;
  #flow: Promise<void> = Promise.resolve();
  /** Keeps actors at work until it is opened; open from the start, mostly. */
  gate: Promise<void> = Promise.resolve();

  /**
   * @param system Decides when a message counts as done.
   * @param near The party behind the proxy.
   * @param far The other one.
   * @param id What tells the cell from others.
   */
  constructor(system: System, near: Party, far: Party, id: string) {
    this.#system = system;
    this.#near = near;
    this.#far = far;
    this.#id = id;
  }

  /** Declares the actor with a party: that sends then, and its workers run what is sent. */
  declare(party: Party): Actor<[number], number> {
    const { broker } = party;
    const known = this.#notes.get(party);
    if (known !== undefined) return known;
    const run = async (n: number) => {
      await this.gate;
      await delay(5);
      this.#ran.add(n);
      return n;
    };
    const options = this.#system.isForResults ? { storeResults: true } : {};
    const note = actor(run, {
      broker,
      queueName: `matrix_${this.#id}`,
      actorName: "note",
      ...options,
    });
    this.#notes.set(party, note);
    return note;
  }

  /** Number of messages that were confirmed. */
  get confirmed(): number {
    return this.#confirmed.size;
  }

  /** Sends one message. @returns Its number, if it was confirmed. */
  async send(party: Party): Promise<number | undefined> {
    const n = this.#next++;
    const sending = this.declare(party).send(n);
    if (!await bounded(`send message ${n}`, sending)) return undefined;
    this.#confirmed.set(n, await sending as Message);
    return n;
  }

  /**
   * Sends messages from afar until one of them is done. Others may be on their way to a connection
   * that the server still takes for good.
   */
  async sendAndRun(): Promise<void> {
    const sent: number[] = [];
    await eventually("have one of many messages done", async () => {
      const n = await this.send(this.#sender);
      if (n !== undefined) sent.push(n);
      await delay(4 * INTERVAL);
      for (const n of sent) {
        if (await this.#isDone(n)) return true;
      }
      return false;
    });
  }

  /** Sends one message from afar. */
  async sendOnce(): Promise<void> {
    await this.send(this.#sender);
  }

  /** Begins to send again and again, from a party that is not behind the proxy. */
  flow(): void {
    const sender = this.#sender;
    this.#flow = (async () => {
      while (!this.#isEnding) {
        await this.send(sender);
        await delay(INTERVAL);
      }
    })();
    this.#flow.catch(() => {}); // `untilAllDone` rejects with it
  }

  /** Waits until some messages are done. */
  async untilDone(numbers: readonly number[]): Promise<void> {
    for (const n of numbers) {
      await eventually(`have message ${n} done`, () => this.#isDone(n));
    }
  }

  /** Sends no more, and makes sure that all that was confirmed is done. */
  async untilAllDone(): Promise<void> {
    this.#isEnding = true;
    await this.#flow;
    // Of results this asks no more: memcached forgets them when it is restarted.
    const isOver = () => [...this.#confirmed.keys()].every((n) => this.#ran.has(n));
    const all = eventually("run all that was confirmed", isOver);
    await within("run all that was confirmed", all, LONGEST_REST);
  }

  /** With memcached both have one broker, which no fault happens to. */
  get #sender(): Party {
    return this.#system.isForResults ? this.#near : this.#far;
  }

  async #isDone(n: number): Promise<boolean> {
    if (!this.#system.isForResults) return this.#ran.has(n);
    try {
      await this.#far.results.getResult(this.#confirmed.get(n)!);
      return true;
    } catch (error) {
      if (error instanceof ResultMissing || error instanceof BrokerConnectionError) return false;
      throw error;
    }
  }
}
