import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/**
 * Faults of a {@linkcode TcpProxy}: what it does to connections, to those it has and to new ones:
 *
 * - `silent`: passes on so many answers of each, then nothing in either direction, not even its
 *   end. A connection that is silent stays so, also when the fault is over.
 * - `cut`: passes on so many answers of each (none), half of the next one, and closes it on both
 *   sides.
 * - `reset`: resets it (RST).
 * - `trickle`: passes on one byte a second in each direction.
 */
export type ProxyFault =
  | { readonly kind: "silent"; readonly answers: number }
  | { readonly kind: "cut"; readonly answers?: number }
  | { readonly kind: "reset" }
  | { readonly kind: "trickle" };

/** Milliseconds between two bytes that trickle. */
export const BYTE_INTERVAL = 1_000;

/** One proxied connection, as the lanes of both directions share it. */
export class ProxyWire {
  readonly #sockets: readonly [client: Socket, target: Socket];
  /** Number of answers that were passed on since the fault began. */
  #answers = 0;
  #isSilent = false;

  /** @param sockets Both sides. */
  constructor(sockets: readonly [client: Socket, target: Socket]) {
    this.#sockets = sockets;
  }

  /** True if nothing is passed on any more. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Makes it silent for good. */
  silence(): void {
    this.#isSilent = true;
  }

  /** Does to it what a fault does at its begin, or when the connection is made under it. */
  begin(fault: ProxyFault): void {
    this.#answers = 0;
    if (fault.kind === "silent" && fault.answers === 0) this.silence();
    if (fault.kind === "reset") {
      for (const socket of this.#sockets) socket.resetAndDestroy();
    }
  }

  /**
   * Part of an answer that is left under a fault.
   *
   * @param answer What came from the target.
   * @param pass Passes bytes on.
   */
  answer(fault: ProxyFault, answer: Buffer, pass: (bytes: Buffer) => void): void {
    if (fault.kind === "cut" && this.#answers >= (fault.answers ?? 0)) {
      pass(answer.subarray(0, Math.floor(answer.length / 2)));
      const [client, target] = this.#sockets;
      target.destroy();
      client.end(() => client.destroy());
    } else if (fault.kind === "silent" && this.#answers >= fault.answers) {
      this.silence();
    } else {
      this.#answers += 1;
      pass(answer);
    }
  }
}
