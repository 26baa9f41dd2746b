import { allStored } from "../../core/delivery_state.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { Fifo } from "../../platform/fifo.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { hasLargeArgument } from "./argument_limit.ts";

/** Maximum of pending calls, as a rule: enough that neither side waits for the other. */
const WINDOW = 8;

/** Bytes up to which more calls are made within one turn, in which no reply can arrive. */
const MAX_PENDING_LENGTH = 16 * 1024 * 1024;

/** Maximum of milliseconds between the first and the last item of a waiting batch. */
const MAX_GATHERING = 250;

/** True if a large item would be sent at once, so that no later one overtakes it. */
type IsReady = () => boolean;

/** Makes one call. Its retries count from `since`, by `performance.now()`. */
type Send = (args: readonly Encoded[], since: number) => Promise<unknown>;

/**
 * Maximum of items in one call: Redis stores them within a millisecond, so that other commands, such as
 * those for due messages, do not wait longer. Larger batches save no time on either side.
 */
const MAX_ITEMS = 250;
/** Maximum length of one call: a server reads a whole command before it runs it. */
const MAX_LENGTH = 8 * 1024 * 1024;

/** Converts the arguments of many items to those of one call. */
export type Pack = (args: readonly Encoded[]) => readonly Encoded[];

/** Items that are sent in one call. */
export class Batch {
  /** Settles with the server's reply. */
  readonly sent: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Time of the first item, by `performance.now()`. */
  readonly begunAt: number = performance.now();
  #args: Encoded[] = [];
  #packed: readonly Encoded[] | undefined;
  #items = 0;
  #length = 0;
  /** True if it holds a large item, which the server may reject: no other may fail with it. */
  #isAlone = false;

  /** Length of its text, in UTF-16 code units or bytes. */
  get length(): number {
    return this.#length;
  }

  /** True if no item may be added. */
  get isFull(): boolean {
    return this.#items >= MAX_ITEMS || this.#length >= MAX_LENGTH || this.#isAlone;
  }

  /** True if it is a single large item, which the server may reject. */
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
    // `hasRoomFor` admits a large item to an empty batch only.
    if (this.#items === 0) this.#isAlone = hasLargeArgument(args);
    this.#items += 1;
  }

  /**
   * Adds all items of another batch, if there is room for them.
   *
   * @param other A batch that is not packed.
   * @returns True if they were added.
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
   * Packs the items, once. No item can be added afterwards.
   *
   * @param pack Packs their arguments.
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
 * Collects the items of one turn of the event loop and sends them in one call: no item waits for a
 * timer, and a busy process makes few calls. An item that is added while no call is pending is sent at
 * once.
 *
 * While the window is full of pending calls, batches wait for the end of one, and grow: a slow or
 * distant server gets larger batches. A batch that is full within the turn in which it was begun is sent
 * at once, beyond the window too: no reply can arrive before the end of the turn, and the server works
 * while the caller adds more.
 */
export class Batcher {
  readonly #send: Send;
  /** Makes the arguments of a call. */
  readonly pack: Pack;
  readonly #isReady: IsReady;
  /** The batch that is being filled. */
  #batch: Batch | undefined;
  /** True if the turn in which that was begun is over. */
  #isDue = false;
  #isTurnAwaited = false;
  /** Batches that were filled, and wait to be sent. */
  readonly #closed: Fifo<Batch> = new Fifo();
  #pendingCalls = 0;
  #pendingLength = 0;
  /** True if the next call waits for the end of a large item. */
  #isBlocked = false;
  readonly #unsettled: Set<Promise<void>> = new Set();

  /**
   * @param pack Converts the arguments of many items to those of one call. @default {concatenated}
   * @param isReady Called before a large item is sent; if false, the next call waits for its end.
   */
  constructor(send: Send, pack: Pack = (args) => args, isReady: IsReady = () => true) {
    this.#send = send;
    this.pack = pack;
    this.#isReady = isReady;
  }

  /**
   * Sends an item at once, if no call is pending, or adds it to the next call.
   *
   * @param args Its arguments.
   * @returns Resolves when the server has it.
   */
  add(args: readonly Encoded[]): Promise<void> {
    if (this.#unsettled.size === 0 && !hasLargeArgument(args)) return this.#sendAtOnce(args);
    return this.gather(args);
  }

  /**
   * As `add`, but waits for the end of the turn even if no call is pending: for items that usually come
   * several at a time.
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
      this.#dispatch(MAX_PENDING_LENGTH);
    }
    return batch.sent.promise;
  }

  /**
   * False also if the batch has waited for long: its items time out together, by the age of the first,
   * and later ones would get less than their five seconds.
   */
  #mayTake(batch: Batch, args: readonly Encoded[]): boolean {
    if (!batch.hasRoomFor(args)) return false;
    return !this.#isDue || performance.now() - batch.begunAt < MAX_GATHERING;
  }

  /**
   * Adds batches.
   *
   * @returns Resolves when the server has all of them.
   */
  addAll(batches: readonly Batch[]): Promise<void> {
    const sent = batches.map((batch) => this.#addBatch(batch).sent.promise);
    this.#dispatch();
    return allStored(sent);
  }

  /** Resolves when all items have been sent, or have failed to be. */
  async emptied(): Promise<void> {
    await Promise.allSettled(this.#unsettled);
  }

  /** @returns The batch that holds the items: this one, or the one that it was merged into. */
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

  /** Refers to no batch, to keep no items in memory after they were sent. */
  #awaitTurn(): void {
    this.#isTurnAwaited = true;
    nextTurn().then(() => {
      this.#isTurnAwaited = false;
      this.#isDue = true;
      this.#dispatch();
    });
  }

  /**
   * Sends one item in the same turn: no call is pending, and a sender that awaits each item adds no
   * other. Items that are added before the reply are gathered.
   *
   * (For such a sender, waiting for the end of the turn, a promise and a batch took a fifth of the
   * processor time.)
   */
  #sendAtOnce(args: readonly Encoded[]): Promise<void> {
    const sent = this.#send(this.pack(args), performance.now()) as Promise<void>;
    this.#pendingCalls += 1;
    this.#unsettled.add(sent);
    const ended = () => {
      this.#pendingCalls -= 1;
      this.#unsettled.delete(sent);
      this.#dispatch();
    };
    sent.then(ended, ended);
    return sent;
  }

  /** @param length Length of pending calls up to which the window may be exceeded. */
  #dispatch(length = 0): void {
    while (!this.#isBlocked && (this.#pendingCalls < WINDOW || this.#pendingLength < length)) {
      if (this.#closed.size === 0 && this.#isDue && this.#batch !== undefined) {
        this.#close(this.#batch);
      }
      const batch = this.#closed.shift();
      if (batch === undefined) return;
      if (batch.isAlone && !this.#isReady()) this.#isBlocked = true;
      this.#sendNow(batch);
    }
  }

  #sendNow(batch: Batch): void {
    const { sent, length } = batch;
    this.#pendingCalls += 1;
    this.#pendingLength += length;
    this.#send(batch.pack(this.pack), batch.begunAt).then(() => sent.resolve(), sent.reject)
      .then(() => {
        this.#pendingCalls -= 1;
        this.#pendingLength -= length;
        if (batch.isAlone) this.#isBlocked = false;
        this.#unsettled.delete(sent.promise);
        this.#dispatch();
      });
  }
}
