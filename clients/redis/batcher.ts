import { allStored } from "../../core/delivery_state.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { Fifo } from "../../platform/fifo.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { hasLargeArgument } from "./argument_limit.ts";

/** Number of calls that may be under way, as a rule: enough that neither side waits for the other. */
const WINDOW = 8;

/** Bytes that may be under way though nothing can be heard of them before the turn is over. */
const MAX_LENGTH_UNDER_WAY = 16 * 1024 * 1024;

/** Milliseconds between the first and the last item of a batch that waits for its turn. */
const LONGEST_GATHERING = 250;

/** True if a large item is sent at once, so that no later one overtakes it. */
type IsReady = () => boolean;

/** Makes one call, for what has waited since that time of `performance.now()`. */
type Send = (args: readonly Encoded[], since: number) => Promise<unknown>;

/**
 * The most items in one call: Redis stores them within a millisecond, and whatever else it
 * is asked for, a message that is due above all, waits no longer than that. Longer batches
 * are no cheaper, neither here nor there.
 */
const MAX_ITEMS = 250;
/** The most text in one call: a server reads a whole command before it runs it. */
const MAX_LENGTH = 8 * 1024 * 1024;

/** Makes of the arguments of many items those of one call. */
export type Pack = (args: readonly Encoded[]) => readonly Encoded[];

/** Items that travel together. */
export class Batch {
  /** Settles when the server has answered. */
  readonly sent: PromiseWithResolvers<void> = Promise.withResolvers();
  /** By `performance.now()`. */
  readonly begunAt: number = performance.now();
  #args: Encoded[] = [];
  #packed: readonly Encoded[] | undefined;
  #items = 0;
  #length = 0;
  /** True if it has an item that the server may reject: that is to fail without others. */
  #isAlone = false;

  /** Length of its text, in UTF-16 code units or bytes. */
  get length(): number {
    return this.#length;
  }

  /** True if nothing more may be added. */
  get isFull(): boolean {
    return this.#items >= MAX_ITEMS || this.#length >= MAX_LENGTH || this.#isAlone;
  }

  /** True if it is a single item that the server may reject. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /**
   * True if an item may be added.
   *
   * @param args Its arguments.
   */
  hasRoomFor(args: readonly Encoded[]): boolean {
    return this.#items === 0 || (!this.isFull && !hasLargeArgument(args));
  }

  /**
   * Adds an item.
   *
   * @param args Its arguments.
   */
  add(args: readonly Encoded[]): void {
    for (const arg of args) {
      this.#args.push(arg);
      this.#length += arg.length;
    }
    // Others of a batch were looked at before.
    if (this.#items === 0) this.#isAlone = hasLargeArgument(args);
    this.#items += 1;
  }

  /**
   * Adds what is in another one, if there is room for all of it.
   *
   * @param other One that is not packed.
   * @returns Whether there was.
   */
  merge(other: Batch): boolean {
    if (this.#items + other.#items > MAX_ITEMS || this.#length + other.#length > MAX_LENGTH) {
      return false;
    }
    for (const arg of other.#args) this.#args.push(arg);
    this.#items += other.#items;
    this.#length += other.#length;
    return true;
  }

  /**
   * Packs what is in it, once; nothing can be added any more.
   *
   * @param pack Packs it.
   * @returns The arguments of the call.
   */
  pack(pack: Pack): readonly Encoded[] {
    if (this.#packed === undefined) {
      this.#packed = pack(this.#args);
      this.#args = [];
    }
    return this.#packed;
  }
}

/**
 * Collects what is to be sent in one turn of the event loop, to send it together:
 * nothing waits for a timer, and a busy process makes few calls. An item that comes while nothing
 * is under way is sent at once.
 *
 * While as many calls as the window allows are under way, what is added waits for the
 * end of one of them: a server that is slow, or far, gets larger batches. Items that come
 * one by one do not wait once they fill a batch. As long as the turn lasts no answer can be
 * heard, and the server works while the caller makes the next ones.
 */
export class Batcher {
  readonly #send: Send;
  /** Makes the arguments of a call. */
  readonly pack: Pack;
  readonly #isReady: IsReady;
  /** The one that is being filled. */
  #batch: Batch | undefined;
  /** True if the turn in which it was begun is over. */
  #isDue = false;
  #isTurnAwaited = false;
  /** Batches that are closed. */
  readonly #closed: Fifo<Batch> = new Fifo();
  #underWay = 0;
  #lengthUnderWay = 0;
  /** True if the next call waits for the end of one. */
  #isHeld = false;
  readonly #unsettled: Set<Promise<void>> = new Set();

  /**
   * @param pack Makes its arguments of those of many items. @default {as they are, in a row}
   * @param isReady Asked before a large item is sent; if not, the next call waits for its end.
   */
  constructor(send: Send, pack: Pack = (args) => args, isReady: IsReady = () => true) {
    this.#send = send;
    this.pack = pack;
    this.#isReady = isReady;
  }

  /**
   * Adds an item to what is sent next.
   *
   * @param args Its arguments.
   * @returns Resolves when the server has it.
   */
  add(args: readonly Encoded[]): Promise<void> {
    if (this.#unsettled.size === 0 && !hasLargeArgument(args)) return this.#sendAtOnce(args);
    return this.gather(args);
  }

  /**
   * As `add`, and waits for the end of the turn though nothing is under way: for items that mostly
   * come several at a time.
   *
   * @param args Its arguments.
   * @returns Resolves when the server has it.
   */
  gather(args: readonly Encoded[]): Promise<void> {
    if (this.#batch !== undefined && !this.#mayTake(this.#batch, args)) this.#close(this.#batch);
    const batch = this.#batch ?? this.#begin(new Batch());
    batch.add(args);
    if (batch.isFull) {
      this.#close(batch);
      this.#dispatch(MAX_LENGTH_UNDER_WAY);
    }
    return batch.sent.promise;
  }

  /**
   * Items of a batch fail together when a server is unavailable; each should get its five seconds.
   */
  #mayTake(batch: Batch, args: readonly Encoded[]): boolean {
    if (!batch.hasRoomFor(args)) return false;
    return !this.#isDue || performance.now() - batch.begunAt < LONGEST_GATHERING;
  }

  /**
   * Adds batches whose items are all made.
   *
   * @returns Resolves when the server has all of them.
   */
  addAll(batches: readonly Batch[]): Promise<void> {
    const sent = batches.map((batch) => this.#addBatch(batch).sent.promise);
    this.#dispatch();
    return allStored(sent);
  }

  /** Resolves when all that was added has been sent, or given up. */
  async emptied(): Promise<void> {
    await Promise.allSettled(this.#unsettled);
  }

  /** @returns The batch that has the items now. */
  #addBatch(batch: Batch): Batch {
    const current = this.#batch;
    if (current !== undefined) {
      const isMerged = !batch.isFull && current.merge(batch);
      if (!isMerged || current.isFull) this.#close(current);
      if (isMerged) return current;
    }
    this.#begin(batch);
    if (batch.isFull) this.#close(batch);
    return batch;
  }

  #begin(batch: Batch): Batch {
    this.#batch = batch;
    this.#isDue = false;
    this.#unsettled.add(batch.sent.promise);
    if (!this.#isTurnAwaited) this.#awaitTurn();
    return batch;
  }

  #close(batch: Batch): void {
    this.#batch = undefined;
    this.#closed.push(batch);
  }

  /** Knows no batch, since it would keep the items of those that have long been sent. */
  #awaitTurn(): void {
    this.#isTurnAwaited = true;
    nextTurn().then(() => {
      this.#isTurnAwaited = false;
      this.#isDue = true;
      this.#dispatch();
    });
  }

  /**
   * Sends one item in the same turn: nothing is under way whose end it could wait for, and a sender
   * that awaits each item has no other to put beside it. What is added meanwhile is gathered.
   *
   * (For such a sender the end of the turn, a promise and a batch were a fifth of the processor time.)
   */
  #sendAtOnce(args: readonly Encoded[]): Promise<void> {
    const sent = this.#send(this.pack(args), performance.now()) as Promise<void>;
    this.#underWay += 1;
    this.#unsettled.add(sent);
    const ended = () => {
      this.#underWay -= 1;
      this.#unsettled.delete(sent);
      this.#dispatch();
    };
    sent.then(ended, ended);
    return sent;
  }

  /** @param length Up to which length more calls are made than the window allows. */
  #dispatch(length = 0): void {
    while (!this.#isHeld && (this.#underWay < WINDOW || this.#lengthUnderWay < length)) {
      if (this.#closed.size === 0 && this.#isDue && this.#batch !== undefined) {
        this.#close(this.#batch);
      }
      const batch = this.#closed.shift();
      if (batch === undefined) return;
      if (batch.isAlone && !this.#isReady()) this.#isHeld = true;
      this.#sendNow(batch);
    }
  }

  #sendNow(batch: Batch): void {
    const { sent, length } = batch;
    this.#underWay += 1;
    this.#lengthUnderWay += length;
    this.#send(batch.pack(this.pack), batch.begunAt).then(() => sent.resolve(), sent.reject)
      .then(() => {
        this.#underWay -= 1;
        this.#lengthUnderWay -= length;
        if (batch.isAlone) this.#isHeld = false;
        this.#unsettled.delete(sent.promise);
        this.#dispatch();
      });
  }
}
