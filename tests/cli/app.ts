import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Message, RedisBroker } from "@dq/dramatiq";
import { caseOf, translate } from "./cli_vectors.ts";
import { MODULES } from "./modules.ts";
import { eventually, Fixture, type Program } from "./fixture.ts";

/** Contents of a queue, as `tests/vectors/cli.json` counts it. */
export interface Counts {
  readonly queued: number;
  readonly unacked: number;
  readonly stored: number;
  readonly dead: number;
}

/** A fixture whose `app.ts` works on a Redis, and a broker to send with. */
export class App implements AsyncDisposable {
  readonly fixture: Fixture;
  readonly broker: RedisBroker;
  readonly #env: Record<string, string>;

  private constructor(fixture: Fixture, url: string) {
    const namespace = crypto.randomUUID();
    this.fixture = fixture;
    this.broker = new RedisBroker({ url, namespace });
    for (const queueName of ["goldq", "goldother"]) this.broker.declareQueue(queueName);
    this.#env = { APP_REDIS: url, APP_NAMESPACE: namespace };
  }

  /** Sets it up, with no messages. */
  static async open(url: string): Promise<App> {
    return new App(await Fixture.open(MODULES), url);
  }

  /** Starts the command line with the arguments of a case, and more. */
  startCase(name: string, ...more: string[]): Program {
    return this.start(...translate(caseOf(name).arguments), ...more);
  }

  /** Starts the command line. */
  start(...args: string[]): Program {
    return this.fixture.start(args, { env: this.#env });
  }

  /** Sends a message of `app.ts`. */
  async send(actorName: string, args: unknown[] = [], delay?: number): Promise<void> {
    const queueName = actorName === "other" ? "goldother" : "goldq";
    const message = new Message({ queueName, actorName, args, options: {} });
    await this.broker.enqueue(message, delay === undefined ? {} : { delay });
  }

  /** Lets `slow` end. */
  async release(): Promise<void> {
    await writeFile(join(this.fixture.folder, "release"), "");
  }

  /** Contents of `goldq`. */
  async counts(): Promise<Counts> {
    const { ready, delayed, unacknowledged, dead } = await this.broker.getQueueMessageCounts(
      "goldq",
    );
    return {
      queued: ready,
      unacked: unacknowledged,
      stored: ready + delayed + unacknowledged,
      dead,
    };
  }

  /** Waits until `goldq` holds that. */
  async holds(counts: Partial<Counts>): Promise<void> {
    const wanted = JSON.stringify(counts);
    let last: Partial<Counts> = {};
    await eventually(`see ${wanted} on the queue`, async () => {
      const now = await this.counts();
      last = Object.fromEntries(
        Object.keys(counts).map((name) => [name, now[name as keyof Counts]]),
      );
      return JSON.stringify(last) === wanted;
    }).catch((error) => {
      throw new Error(`${error.message}: it is ${JSON.stringify(last)}`);
    });
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
    await this.fixture[Symbol.asyncDispose]();
  }
}
