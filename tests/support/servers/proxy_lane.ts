import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { BYTE_INTERVAL, type ProxyFault, type ProxyWire } from "./proxy_fault.ts";

/** State of a lane: what happens to bytes on their way. May change at any time. */
export interface Weather {
  /** Milliseconds that each byte takes. */
  readonly latency: number;
  /** True if nothing gets through. */
  readonly isFrozen: boolean;
  /** Fault of connections, if anything is. */
  readonly fault: ProxyFault | undefined;
}

/** Which way a lane leads. */
export interface Direction {
  readonly source: Socket;
  readonly sink: Socket;
  /** True if it carries what the target answers. */
  readonly isAnswers: boolean;
}

/** Bytes, the end of the stream, or the loss of the connection. */
type Batch = Buffer | "end" | "loss";

interface Pending {
  readonly batch: Batch;
  due: number;
}

/** One direction of a proxied connection: first in, first out, each when it is due. */
export class ProxyLane {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #isAnswers: boolean;
  readonly #wire: ProxyWire;
  readonly #weather: Weather;
  readonly #count: (bytes: number) => void;
  #pending: Pending[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param direction Where bytes come from, and where they go.
   * @param wire The connection.
   * @param weather What happens to them.
   * @param count Told of the bytes that were passed on.
   */
  constructor(
    { source, sink, isAnswers }: Direction,
    wire: ProxyWire,
    weather: Weather,
    count: (bytes: number) => void,
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#isAnswers = isAnswers;
    this.#wire = wire;
    this.#weather = weather;
    this.#count = count;
    source.on("data", (chunk) => this.#arrived(chunk as Buffer));
    source.on("end", () => this.#take("end"));
    source.on("error", () => this.#take("loss"));
    sink.on("drain", () => source.resume());
    sink.on("close", () => this.#discard());
  }

  /** Number of bytes that are held back. */
  get held(): number {
    return this.#pending.reduce((sum, { batch }) => sum + (batch as Buffer).length, 0);
  }

  /** Passes on what is due. To be called when the weather changes. */
  flush(): void {
    clearTimeout(this.#timer);
    if (this.#weather.isFrozen) return;
    const now = performance.now();
    let passed = 0;
    for (const { batch, due } of this.#pending) {
      if (due > now) break;
      this.#pass(batch);
      passed++;
    }
    this.#pending.splice(0, passed);
    const [next] = this.#pending;
    if (next !== undefined) this.#timer = setTimeout(() => this.flush(), next.due - now);
  }

  /** Makes all that is held back due. To be called when nothing trickles any more. */
  hurry(): void {
    for (const pending of this.#pending) pending.due = 0;
    this.flush();
  }

  #arrived(chunk: Buffer): void {
    const { fault } = this.#weather;
    if (fault === undefined || this.#wire.isSilent) return this.#take(chunk);
    if (fault.kind === "trickle") return this.#trickle(chunk);
    if (!this.#isAnswers) return this.#take(chunk);
    this.#wire.answer(fault, chunk, (bytes) => this.#take(bytes));
  }

  #trickle(chunk: Buffer): void {
    let due = Math.max(performance.now(), this.#pending.at(-1)?.due ?? 0);
    for (let i = 0; i < chunk.length; i++) {
      due += BYTE_INTERVAL;
      this.#pending.push({ batch: chunk.subarray(i, i + 1), due });
    }
    if (this.#pending.length === chunk.length) this.flush();
  }

  #take(batch: Batch): void {
    if (this.#wire.isSilent) return;
    const { latency, isFrozen } = this.#weather;
    if (latency === 0 && !isFrozen && this.#pending.length === 0) return this.#pass(batch);
    this.#pending.push({ batch, due: performance.now() + latency });
    if (this.#pending.length === 1) this.flush();
  }

  #pass(batch: Batch): void {
    if (batch === "loss") {
      this.#sink.destroy();
    } else if (batch === "end") {
      this.#sink.end();
    } else {
      this.#count(batch.length);
      if (!this.#sink.write(batch)) this.#source.pause();
    }
  }

  #discard(): void {
    clearTimeout(this.#timer);
    this.#pending = [];
    this.#source.resume(); // Else it would never see its end.
  }
}
