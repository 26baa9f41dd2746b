import { AsyncLocalStorage } from "node:async_hooks";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";

const running = new AsyncLocalStorage<MessageProxy>();

/**
 * The message that the calling actor runs for.
 *
 * @returns The message, or `undefined` outside an actor.
 *
 * @example Carry the id into the logs
 * ```ts
 * import { actor, currentMessage, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * export const audit = actor(function audit(text: string) {
 *   console.log(currentMessage()?.messageId, text);
 * });
 * ```
 */
export function currentMessage(): Message | undefined {
  return running.getStore()?.message;
}

/**
 * The signal that aborts when the calling actor is to stop: at its time limit, or
 * at shutdown if it asked for that. Its reason is an `Interrupt`.
 *
 * @returns The signal; outside an actor, one that never aborts.
 *
 * @example Stop a download at the time limit
 * ```ts
 * import { actor, currentSignal, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * export const download = actor(async function download(url: string) {
 *   const response = await fetch(url, { signal: currentSignal() });
 *   return (await response.text()).length;
 * }, { timeLimit: 30_000 });
 * ```
 */
export function currentSignal(): AbortSignal {
  // Outside an actor a new one each time: listeners on a shared one would pile up.
  return running.getStore()?.signal ?? new AbortController().signal;
}

/**
 * Calls a function so that it, and all it starts, sees the message as the current one.
 *
 * @param message The message.
 * @param run What to call. It gets the message and the argument, which saves a closure per message.
 * @param argument Its argument.
 * @returns What it returns.
 */
export function runWithMessage<T>(
  message: MessageProxy,
  run: (message: MessageProxy, argument: T) => unknown,
  argument: T,
): unknown {
  return running.run(message, run, message, argument);
}
