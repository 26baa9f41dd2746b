import type { ChildProcess } from "node:child_process";
import { nextTurn, randomUuid } from "../../platform/runtime.ts";
import {
  isSealed,
  type RealmSettings,
  type ToRealm,
  type Transport,
  type TransportListener,
} from "./realm_protocol.ts";

/** Milliseconds without a message after which a process that has exited is done. */
const LAST_MESSAGES = 200;

/**
 * The way to a child process:
 *
 * open ─▶ exited ─▶ disconnected, or silent ─▶ ended
 *   ├───▶ disconnected ─▶ killed ─▶ exited ─▶ ended
 *   └───▶ not started ─▶ ended
 *
 * What the process sent before it exited may arrive afterwards, and counts. `disconnect` says
 * that nothing is left, but may never come: on Deno (2.9) not if the process exits while a
 * message is on its way to it, and not as long as a program that it has started, which inherits
 * the pipe, is running. So silence does for it.
 */
export class ProcessTransport implements Transport {
  /** Processes share no memory. */
  readonly slots = undefined;
  readonly #child: ChildProcess;
  readonly #listener: TransportListener;
  #received = 0;
  /** Description of its end, once it has exited. */
  #how: string | undefined;
  #isDisconnected = false;
  #hasEnded = false;

  /**
   * Listens to a process and tells it what to run.
   *
   * @param child The process, just forked.
   * @param settings What it is to run.
   * @param listener Hears of it.
   */
  constructor(child: ChildProcess, settings: RealmSettings, listener: TransportListener) {
    this.#child = child;
    this.#listener = listener;
    const key = randomUuid();
    child.on("message", (message) => {
      if (this.#hasEnded || !isSealed(message, key)) return;
      this.#received += 1;
      listener.received(message);
    });
    // Otherwise it is about a message to a process that is gone, which `exit` tells.
    child.on("error", (error) => {
      if (child.pid === undefined) this.#end(String(error));
    });
    child.on("exit", (code, signal) => this.#exited(code, signal));
    child.on("disconnect", () => {
      this.#isDisconnected = true;
      if (this.#how !== undefined) this.#end(this.#how);
      else this.kill(); // it hears nothing any more
    });
    this.#send({ settings, key });
  }

  /** Sends a message; one to a process that is gone is dropped. */
  post(message: ToRealm): void {
    this.#send(message);
  }

  /** Ends the process by force. */
  kill(): void {
    if (this.#child.pid !== undefined) this.#child.kill("SIGKILL");
  }

  #send(message: object): void {
    if (this.#child.connected) this.#child.send(message);
  }

  #exited(code: number | null, signal: string | null): void {
    this.#how = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
    if (this.#isDisconnected) this.#end(this.#how);
    else this.#endOnceSilent(this.#how);
  }

  #endOnceSilent(how: string): void {
    const received = this.#received;
    setTimeout(async () => {
      await nextTurn(); // this process may have been busy, and messages be waiting
      if (this.#hasEnded) return;
      if (this.#received === received) this.#end(how);
      else this.#endOnceSilent(how);
    }, LAST_MESSAGES);
  }

  #end(how: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // Else a pipe that others hold open would keep this program running.
    if (this.#child.connected) this.#child.disconnect();
    this.#listener.ended(how);
  }
}
