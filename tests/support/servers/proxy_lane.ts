import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/** What happens to bytes on their way. May change at any time. */
export interface Weather {
  /** Milliseconds that each byte takes. */
  readonly latency: number;
  /** Whether nothing gets through. */
  readonly isFrozen: boolean;
}

/** Bytes, the end of the stream, or the loss of the connection. */
type Parcel = Buffer | "end" | "loss";

interface Pending {
  readonly parcel: Parcel;
  readonly due: number;
}

/** One direction of a proxied connection: first in, first out, each when it is due. */
export class ProxyLane {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #weather: Weather;
  readonly #count: (bytes: number) => void;
  #pending: Pending[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param source Where bytes come from.
   * @param sink Where they go.
   * @param weather What happens to them.
   * @param count Told of the bytes that were passed on.
   */
  constructor(source: Socket, sink: Socket, weather: Weather, count: (bytes: number) => void) {
    this.#source = source;
    this.#sink = sink;
    this.#weather = weather;
    this.#count = count;
    source.on("data", (chunk) => this.#take(chunk as Buffer));
    source.on("end", () => this.#take("end"));
    source.on("error", () => this.#take("loss"));
    sink.on("drain", () => source.resume());
    sink.on("close", () => this.#discard());
  }

  /** Passes on what is due. To be called when the weather changes. */
  flush(): void {
    clearTimeout(this.#timer);
    if (this.#weather.isFrozen) return;
    const now = performance.now();
    let passed = 0;
    for (const { parcel, due } of this.#pending) {
      if (due > now) break;
      this.#pass(parcel);
      passed++;
    }
    this.#pending.splice(0, passed);
    const [next] = this.#pending;
    if (next !== undefined) this.#timer = setTimeout(() => this.flush(), next.due - now);
  }

  #take(parcel: Parcel): void {
    const { latency, isFrozen } = this.#weather;
    if (latency === 0 && !isFrozen && this.#pending.length === 0) return this.#pass(parcel);
    this.#pending.push({ parcel, due: performance.now() + latency });
    if (this.#pending.length === 1) this.flush();
  }

  #pass(parcel: Parcel): void {
    if (parcel === "loss") {
      this.#sink.destroy();
    } else if (parcel === "end") {
      this.#sink.end();
    } else {
      this.#count(parcel.length);
      if (!this.#sink.write(parcel)) this.#source.pause();
    }
  }

  #discard(): void {
    clearTimeout(this.#timer);
    this.#pending = [];
    this.#source.resume(); // Else it would never see its end.
  }
}
