import { assertEquals, assertRejects } from "@std/assert";
import type { Actor, Message } from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import type { Fixture, Rules, Side } from "./broker_control_harness.ts";

/** An actor whose runs wait until they are let go, and how many of them run. */
class Gate {
  readonly hold: Actor<[], void>;
  running = 0;
  peak = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(fixture: Fixture, side: Side) {
    this.hold = fixture.actor(side, async () => {
      this.running += 1;
      this.peak = Math.max(this.peak, this.running);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.running -= 1;
    }, { actorName: "hold" });
  }

  /** Number of runs that can be let go. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Waits until so many run. */
  reached(count: number): Promise<void> {
    return eventually(`run ${count} at once`, () => this.running === count);
  }

  /** Lets some end, the ones that began first. */
  release(count: number): void {
    for (const resolve of this.#waiting.splice(0, count)) resolve();
  }

  async sendMany(count: number): Promise<Message<void>[]> {
    return await this.hold.sendMany(Array.from({ length: count }, (): [] => []));
  }
}

/** Rules of `setConcurrency`. */
export const resizing: Rules = {
  grows: {
    rule: "setConcurrency has a worker run more at once, and fetch as many, until null",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const gate = new Gate(fixture, side);
      const worker = await fixture.work(side, { concurrency: 1 });
      const messages = await gate.sendMany(12);
      await gate.reached(1);
      await other.control.setConcurrency(10);
      await gate.reached(10); // many more than a worker of 1 prefetches
      const concurrency = async () =>
        (await other.control.workers()).find(({ id }) => id === worker.id)?.concurrency;
      await eventually("report its size", async () => await concurrency() === 10);
      await other.control.setConcurrency(null);
      await eventually("hear of it", () => worker.executor.concurrency === 1);
      for (let left = 12; left > 0; left--) {
        await eventually("have one to end", () => gate.waiting > 0);
        gate.release(1);
      }
      for (const message of messages) assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals([gate.running, gate.peak], [0, 10]);
      assertEquals(worker.outcomes.done, 12);
    },
  },

  shrinks: {
    rule: "setConcurrency stops nothing: a worker that runs more starts none until it fits",
    async check(fixture) {
      const side = fixture.open();
      const gate = new Gate(fixture, side);
      const worker = await fixture.work(side, { concurrency: 4 });
      const messages = await gate.sendMany(8);
      await gate.reached(4);
      await side.control.setConcurrency(1);
      await eventually("hear of it", () => worker.executor.concurrency === 1);
      gate.release(3);
      await gate.reached(1);
      gate.peak = 0;
      for (let ended = 3; ended < 8; ended++) {
        await gate.reached(1);
        gate.release(1);
        await eventually("end it", () => worker.outcomes.done > ended - 1);
      }
      for (const message of messages) assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals([gate.peak, worker.outcomes.lost], [1, 0]);
    },
  },

  resizesOne: {
    rule: "setConcurrency of one worker wins over that of all, and one that starts later has it",
    async check(fixture) {
      const side = fixture.open();
      await side.control.setConcurrency(3);
      const first = await fixture.work(side, { concurrency: 1 });
      const second = await fixture.work(side, { concurrency: 1 });
      const sizes = () => [first, second].map(({ executor }) => executor.concurrency).join();
      await eventually("hear of the size", () => sizes() === "3,3");
      await side.control.setConcurrency(5, { worker: second.id! });
      await eventually("hear of the size of one", () => sizes() === "3,5");
      await side.control.setConcurrency(null);
      await eventually("hear that it is over for all", () => sizes() === "1,5");
      await side.control.setConcurrency(null, { worker: second.id! });
      await eventually("hear that it is over for one", () => sizes() === "1,1");
    },
  },

  refusesResizing: {
    rule: "setConcurrency refuses what is no size, and no worker",
    async check(fixture) {
      const { control } = fixture.open();
      for (const size of [0, -1, 1.5, NaN, Infinity]) {
        await assertRejects(() => control.setConcurrency(size), RangeError, `${size} messages`);
      }
      const wrong = { worker: "" };
      await assertRejects(() => control.setConcurrency(1, wrong), TypeError, 'worker ""');
      await assertRejects(() => control.setConcurrency(1, { wrker: "a" } as object), TypeError);
    },
  },
};
