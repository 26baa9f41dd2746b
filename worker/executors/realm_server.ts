import { currentMessage } from "../../core/context.ts";
import type { Broker } from "../../core/broker.ts";
import { type Encoded, getEncoder } from "../../encoders/encoder.ts";
import { ActorNotFound, MiddlewareError } from "../../core/errors.ts";
import { Fifo } from "../../platform/fifo.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import { Message } from "../../core/message.ts";
import type { MessageDict } from "../../core/message_dict.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import { nextTurn, onExit } from "../../platform/runtime.ts";
import { onUncaught } from "../../platform/process.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { Actor } from "../../core/actor.ts";
import type { Run } from "./executor.ts";
import { InlineExecutor } from "./inline.ts";
import { sendLogTo } from "./realm_log.ts";
import { enterRealm, importBroker } from "./realm_modules.ts";
import {
  Ending,
  type FromRealm,
  type RealmSettings,
  type SlotBoard,
  type ToRealm,
} from "./realm_protocol.ts";
import { fromWire, toWire } from "./thrown_on_wire.ts";

/** Milliseconds of work after which endings are posted, and interrupts received. */
const LONGEST_TURN = 5;

/**
 * Runs actors in a thread or process, for a worker in another realm.
 *
 * boot (modules, broker, `afterWorkerThreadBoot`) ─▶ ready ─▶ runs … ─▶ stop
 *    └─▶ refused                                       └─▶ crashed
 *
 * Runs arrive in batches and begin in order. Their endings are posted together: at the end of a
 * batch, at the end of a turn of the event loop, or when nothing runs any more.
 */
export class RealmServer {
  readonly #post: (message: FromRealm) => void;
  readonly #settings: RealmSettings;
  readonly #board: SlotBoard | undefined;
  readonly #executor: InlineExecutor;
  #broker: Broker | undefined;
  /** Slot, message, slot, message. */
  readonly #queue: Fifo<number | Encoded | MessageDict> = new Fifo();
  /** Slots that were interrupted before they began, or after they had ended. */
  readonly #interrupted: Set<number> = new Set();
  /** Runs by slot. */
  readonly #runs: (RealmRun | undefined)[] = [];
  #running = 0;
  #isStarting = false;
  #ended: unknown[] = [];
  #willFlush = false;
  #turnStarted = 0;
  #isOver = false;

  /**
   * Stores the settings; `boot` begins.
   *
   * @param post Posts a message to the worker.
   * @param settings The modules, and the concurrency.
   * @param board State of the slots, in a thread.
   */
  constructor(post: (message: FromRealm) => void, settings: RealmSettings, board?: SlotBoard) {
    this.#post = post;
    this.#settings = settings;
    this.#board = board;
    this.#executor = new InlineExecutor({ concurrency: settings.concurrency });
  }

  /** Imports the modules, and tells the worker whether that succeeded. */
  async boot(): Promise<void> {
    enterRealm();
    onExit((how) => this.#crash(how));
    onUncaught((error) => this.#crash("an error was not caught", error));
    try {
      const broker = await importBroker(this.#settings, (booting) => this.#post({ booting }));
      await sendLogTo((log) => this.#post({ log }), this.#settings.logLevel);
      if (broker.isInMemory) broker.addMiddleware(refuseToSend(this.#settings.kind));
      this.#broker = broker;
      this.#post({ booting: "its afterWorkerThreadBoot hooks have not ended" });
      await this.#executor.start(broker);
      this.#post({ ready: [...broker.actors.keys()] });
    } catch (error) {
      this.#post({ refused: toWire(error) });
    }
  }

  /** Handles a message of the worker. */
  receive(message: ToRealm): void {
    if ("runs" in message) {
      for (let i = 0; i < message.runs.length; i++) {
        this.#queue.push(message.runs[i]!);
        // An interrupt for this slot was meant for an earlier run, which had ended.
        if (i % 2 === 0 && this.#interrupted.size > 0) {
          this.#interrupted.delete(message.runs[i] as number);
        }
      }
      if (!this.#isStarting) this.#startQueued();
    } else if ("interrupt" in message) {
      const { interrupt: slot, reason } = message;
      this.#post({ heard: slot });
      const run = this.#runs[slot];
      if (run !== undefined) run.message.interrupt(fromWire(reason) as Interrupt);
      else if (this.#queue.size > 0) this.#interrupted.add(slot);
    } else {
      this.#stop();
    }
  }

  /** A run has ended. */
  settle(slot: number, ending: number, value: unknown): void {
    this.#runs[slot] = undefined;
    this.#running -= 1;
    this.#tell(slot, ending, value);
  }

  #startQueued(): void {
    this.#isStarting = true;
    this.#turnStarted = performance.now();
    for (let slot = this.#queue.shift(); slot !== undefined; slot = this.#queue.shift()) {
      this.#start(slot as number, this.#queue.shift() as Encoded | MessageDict);
      if (this.#isOver) return;
      if (performance.now() - this.#turnStarted < LONGEST_TURN) continue;
      this.#flush();
      // Interrupts, and timers and sockets of running actors, get their turn.
      nextTurn().then(() => this.#startQueued());
      return;
    }
    this.#isStarting = false;
    this.#flush(); // endings do not wait for the runs that go on
  }

  #start(slot: number, data: Encoded | MessageDict): void {
    if (this.#interrupted.delete(slot) || this.#board?.begin(slot) === false) {
      return this.#tell(slot, Ending.neverBegan, undefined);
    }
    this.#running += 1;
    try {
      const message = typeof data === "string" || data instanceof Uint8Array
        ? Message.decode(data)
        : Message.fromDict(data);
      const run = new RealmRun(this, slot, message, this.#actor(message.actorName));
      this.#runs[slot] = run;
      this.#executor.run(run);
    } catch (error) {
      this.settle(slot, Ending.threw, toWire(error));
    }
    this.#board?.returned();
  }

  #actor(name: string): Actor {
    const actor = this.#broker!.actors.get(name);
    if (actor !== undefined) return actor;
    throw new ActorNotFound(
      `Cannot find actor "${name}": the modules that the ${this.#settings.kind} imports do not ` +
        "declare it",
    );
  }

  #tell(slot: number, ending: number, value: unknown): void {
    this.#ended.push(slot, ending, value);
    if (this.#isStarting) return; // posted at the end of the batch
    if (this.#running === 0) return this.#flush();
    if (this.#willFlush) return;
    this.#willFlush = true;
    nextTurn().then(() => this.#flush());
  }

  #flush(): void {
    this.#willFlush = false;
    if (this.#ended.length === 0) return;
    const ended = this.#ended;
    this.#ended = [];
    this.#post({ ended });
  }

  /** Reports, after the endings so far, that this realm is lost, and which run is the cause. */
  #crash(how: string, error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const message = currentMessage();
    const slot = this.#runs.findIndex((run) =>
      run !== undefined && run.message.message === message
    );
    this.#flush();
    this.#post({
      crashed: {
        slot: message === undefined || slot === -1 ? undefined : slot,
        how,
        ...(error !== undefined && { error: toWire(error) }),
      },
    });
  }

  async #stop(): Promise<void> {
    this.#isOver = true;
    try {
      await this.#executor.stop();
      await this.#broker?.close();
    } finally {
      this.#post({ stopped: true });
    }
  }
}

/** One run of an actor in a realm. */
class RealmRun implements Run {
  readonly message: MessageProxy;
  readonly actor: Actor;
  readonly #server: RealmServer;
  readonly #slot: number;

  constructor(server: RealmServer, slot: number, message: Message, actor: Actor) {
    this.#server = server;
    this.#slot = slot;
    this.message = new MessageProxy(message);
    this.actor = actor;
  }

  /** Primitive values are cloned; others are encoded, which is faster. */
  succeed(result: unknown): void {
    const kind = typeof result;
    if (result === null || (kind !== "object" && kind !== "function" && kind !== "symbol")) {
      return this.#server.settle(this.#slot, Ending.returned, result);
    }
    try {
      this.#server.settle(this.#slot, Ending.returnedEncoded, getEncoder().encode(result));
    } catch (error) {
      this.#server.settle(this.#slot, Ending.returnedUnfit, errorMessage(error));
    }
  }

  fail(error: unknown): void {
    this.#server.settle(this.#slot, Ending.threw, toWire(error));
  }
}

/** Refuses to send to the in-memory broker of a realm, where nothing receives. */
function refuseToSend(kind: string) {
  return {
    beforeEnqueue(_broker: Broker, message: Message): never {
      throw new MiddlewareError(
        `Cannot send ${message.actorName} from a ${kind}: its broker is in memory, and the memory ` +
          `of a ${kind} is its own; use a broker with a server, or the inline executor`,
      );
    },
  };
}
