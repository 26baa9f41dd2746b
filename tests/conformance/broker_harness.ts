import { deadline } from "@std/async";
import type { Broker, Encoded, Message, Middleware } from "@dq/dramatiq";
import { skip, test } from "../support/test.ts";

/** What {@linkcode BrokerHarness.create} gets. */
export interface CreateOptions {
  /**
   * Brokers of one namespace share their storage, as those of two processes do.
   * It is new for every test, and can be a part of names and paths.
   */
  readonly namespace: string;
  /** The middleware, when the rule is about that; else the broker's default. */
  readonly middleware?: readonly Middleware[];
}

/** What the suite needs to know of a broker to test it. */
export interface BrokerHarness {
  /** The class under test; each test's name begins with it. */
  readonly name: string;
  /** Whether `enqueue` refuses queues that are not declared, or declares them. */
  readonly undeclaredQueues: "refused" | "accepted";

  /** Makes a broker. The suite closes it. */
  create(options: CreateOptions): Broker | Promise<Broker>;

  /** The dead letters of a queue as they are stored, the first one first. */
  deadLetters(broker: Broker, queueName: string): Promise<readonly Message[]>;

  /** Puts data on a queue as a producer with a bug would. */
  putRaw?(broker: Broker, queueName: string, data: Encoded): Promise<void>;

  /**
   * Counts what the storage holds for a queue and its delay queue, unsettled
   * messages and whatever is kept beside them included, dead letters excluded.
   */
  countMessages?(broker: Broker, queueName: string): Promise<number>;

  /** Cuts the connections of a broker's consumers, as a failing network would. */
  breakConnections?(broker: Broker): Promise<void>;

  /** Removes what the brokers of a namespace left behind; they are closed by then. */
  cleanUp?(namespace: string): Promise<void>;

  /** Rules that this broker cannot follow, by key, each with the reason. */
  readonly skips?: Readonly<Record<string, string>>;
}

/** An optional ability of a harness. */
export type Ability = "putRaw" | "countMessages" | "breakConnections";

/** One rule that every broker follows. */
export interface Rule {
  /** The symbol, then the rule: the name of the test. */
  readonly rule: string;
  /** What the harness has to be able to do. Without it the rule must be skipped. */
  readonly needs?: Ability;
  /** Throws if the broker breaks the rule. */
  check(stage: Stage): Promise<void>;
}

/** Rules by the key under which a harness can skip them. */
export type Rules = Readonly<Record<string, Rule>>;

/** What one check may take. Far above any honest run: it is there to name what hangs. */
const LONGEST_CHECK = 60_000;

/** What one check works with: brokers and queue names of its own. */
export class Stage implements AsyncDisposable {
  readonly harness: BrokerHarness;
  readonly namespace: string = `conformance_${crypto.randomUUID().replaceAll("-", "")}`;
  /** A queue that is declared on all brokers of the stage. */
  readonly queueName: string = this.newQueueName();
  readonly #brokers: Broker[] = [];

  constructor(harness: BrokerHarness) {
    this.harness = harness;
  }

  /** A name that no other queue has. */
  newQueueName(): string {
    return `q_${crypto.randomUUID()}`;
  }

  /** Makes a broker. A second one shares the storage of the first. */
  async open(middleware?: readonly Middleware[]): Promise<Broker> {
    const { namespace } = this;
    const options = middleware === undefined ? { namespace } : { namespace, middleware };
    const broker = await this.harness.create(options);
    this.#brokers.push(broker);
    broker.declareQueue(this.queueName);
    return broker;
  }

  async deadLetters(broker: Broker, queueName = this.queueName): Promise<readonly Message[]> {
    return await this.harness.deadLetters(broker, queueName);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.#brokers) await broker.close();
    await this.harness.cleanUp?.(this.namespace);
  }
}

/**
 * Declares one test for each rule, or one that says why it is skipped.
 *
 * @throws {TypeError} If a skip names no rule, or a rule needs an ability that the
 *   harness lacks and does not skip.
 */
export function declareTests(harness: BrokerHarness, rules: Rules): void {
  const { name, skips = {} } = harness;
  const strange = Object.keys(skips).filter((key) => !Object.hasOwn(rules, key));
  if (strange.length > 0) {
    throw new TypeError(
      `Cannot test ${name}: it skips rules that are unknown: ${strange.join(", ")}`,
    );
  }
  for (const [key, { needs }] of Object.entries(rules)) {
    if (needs === undefined || harness[needs] !== undefined || skips[key] !== undefined) continue;
    throw new TypeError(
      `Cannot test ${name}: rule ${key} needs ${needs}; give that to the harness, or skip the ` +
        "rule with a reason",
    );
  }

  for (const [key, { rule, check }] of Object.entries(rules)) {
    const title = `${name}: ${rule}`;
    const reason = skips[key];
    if (reason !== undefined) {
      skip(title, reason);
      continue;
    }
    test(title, async () => {
      await using stage = new Stage(harness);
      await deadline(check(stage), LONGEST_CHECK);
    });
  }
}
