import { type ControlJson, type ControlStore, readEntry } from "../../core/control_store.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { deathsOf, LONGEST_NOTES, noteOfWorker } from "../../core/suspicion.ts";
import type { Clock } from "../../platform/clock.ts";
import { about, getLogger } from "../../platform/logging.ts";
import type { RabbitmqDelivery } from "./delivery.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Prefix of the keys of marks; the id of the message follows. */
const MARK_PREFIX = "begun/";
/** Milliseconds after which a mark expires: a day. */
const MARK_TTL = 86_400_000;

/** A mark in the control store. */
interface Mark {
  /** Number of workers that died while the message was marked. */
  readonly deaths: number;
  /** Notes of those workers. */
  readonly notes: string;
  /** Id of the broker that runs the message, while it runs. */
  readonly by?: string;
  /** Note of its worker. */
  readonly note?: string;
}

/** Options of {@linkcode Marks}. */
export interface MarksOptions {
  readonly control: ControlStore;
  readonly clock: Clock;
  /** Unique among the brokers that share the control store. */
  readonly brokerId: string;
}

/**
 * Marks of redelivered messages of one consumer. They were delivered before to a worker that died, or
 * that requeued them; RabbitMQ does not tell which, but a mark that was not removed does.
 *
 * The next worker that begins a message finds the mark of a dead worker, and counts a death.
 */
export class Marks {
  readonly #options: MarksOptions;
  readonly #marked: Map<RabbitmqDelivery, Mark> = new Map();

  /** @param options The control store, and the id of this broker. */
  constructor(options: MarksOptions) {
    this.#options = options;
  }

  /** True if a message is marked. */
  get isUsed(): boolean {
    return this.#marked.size > 0;
  }

  /**
   * Marks messages that are about to start. One with a death that was not known before is not marked: it
   * will begin again, in isolation.
   *
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async begin(deliveries: readonly RabbitmqDelivery[]): Promise<void> {
    const { control, clock, brokerId } = this.#options;
    const note = noteOfWorker(clock.now());
    const found = await Promise.all(deliveries.map((one) => this.#read(one)));
    const marks = deliveries.map((delivery, i): Mark => {
      const { deaths, notes } = found[i]!;
      const isMarked = deaths === 0 || deathsOf(delivery) > 0;
      delivery.suspicion = { deaths, notes };
      return isMarked ? { deaths, notes, by: brokerId, note } : { deaths, notes };
    });
    await control.change(deliveries.map(({ messageId }, i) => ({
      key: MARK_PREFIX + messageId,
      value: { ...marks[i]! },
      ttl: MARK_TTL,
    })));
    for (const [i, delivery] of deliveries.entries()) this.#marked.set(delivery, marks[i]!);
  }

  /** Removes the entries of settled messages. */
  async settled(deliveries: readonly MessageProxy[]): Promise<void> {
    await this.#change(deliveries, () => null);
  }

  /** Removes the marks of requeued messages. */
  async returned(deliveries: Iterable<MessageProxy>): Promise<void> {
    await this.#change(
      [...deliveries],
      ({ deaths, notes }) => deaths === 0 ? null : { deaths, notes },
    );
  }

  /** Removes all marks: the deliveries were lost, but this worker is alive. */
  async lost(): Promise<void> {
    await this.returned(this.#marked.keys());
  }

  async #change(
    deliveries: readonly MessageProxy[],
    toValue: (mark: Mark) => ControlJson,
  ): Promise<void> {
    const changes = [];
    for (const delivery of deliveries as readonly RabbitmqDelivery[]) {
      const mark = this.#marked.get(delivery);
      if (mark === undefined) continue;
      this.#marked.delete(delivery);
      const key = MARK_PREFIX + delivery.messageId;
      changes.push({ key, value: toValue(mark), ttl: MARK_TTL });
    }
    if (changes.length === 0) return;
    try {
      await this.#options.control.change(changes);
    } catch (error) {
      // The marks expire. Until then, a death may be counted by mistake.
      log.warn("Failed to record that messages have finished, {messageId} among them: {reason}", {
        ...about(deliveries[0]!, error),
        count: changes.length,
      });
    }
  }

  /** Reads a mark. One of another broker is that of a dead worker, and counts as a death. */
  async #read({ messageId }: RabbitmqDelivery): Promise<{ deaths: number; notes: string }> {
    const key = MARK_PREFIX + messageId;
    const mark = toMark((await readEntry(this.#options.control, key))?.value);
    const { deaths, notes, by, note = "" } = mark;
    if (by === undefined || by === this.#options.brokerId) return { deaths, notes };
    const isFull = notes.length >= LONGEST_NOTES;
    return { deaths: deaths + 1, notes: isFull ? notes : `${notes}${notes && "; "}${note}` };
  }
}

/** Parses an entry. Any other value counts as no mark. */
function toMark(value: ControlJson | undefined): Mark {
  const mark = value as Partial<Mark> | null | undefined;
  return {
    deaths: typeof mark?.deaths === "number" ? mark.deaths : 0,
    notes: typeof mark?.notes === "string" ? mark.notes : "",
    ...(typeof mark?.by === "string" && { by: mark.by, note: String(mark.note ?? "") }),
  };
}
