import { AsyncLocalStorage } from "node:async_hooks";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";

/** Number of actors that can run at once with a context index of their own. */
const MAX_CONTEXTS = 4_096;
/** Uses of an index for which its number stays a small integer, which V8 does not allocate. */
const GENERATIONS = 2 ** 30 / MAX_CONTEXTS;

/** A message whose actor runs, and the number that its context carries. */
interface Context {
  number: number;
  message: MessageProxy | undefined;
}

/**
 * Context of an actor: a number instead of the message, unless no index is free. Deno 2.9 keeps objects
 * of contexts alive for a while, and copying them at each garbage collection took a quarter of the time
 * of a message.
 */
const running = /* @__PURE__ */ new AsyncLocalStorage<number | MessageProxy>();
const contexts: Context[] = [];
const freeIndexes: number[] = [];

/**
 * Gets the message of the calling actor.
 *
 * @returns The message; `undefined` outside an actor, and in background work of an actor that has
 *   ended.
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
  return currentProxy()?.message;
}

/**
 * Gets the signal that aborts when the calling actor should stop: at its time limit, when its message is
 * cancelled, or at shutdown with the option `notifyShutdown`. Its reason is an `Interrupt`.
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
  // Outside an actor a new one each time: listeners on a shared one would accumulate.
  return currentProxy()?.signal ?? new AbortController().signal;
}

/**
 * Calls a function with a message as the current one, until it returns, or, if it returns a promise,
 * until {@linkcode leaveMessage}.
 *
 * @param message The message.
 * @param run The function. Its parameters save a closure per message.
 * @param argument Its second argument.
 * @returns What it returns.
 */
export function runWithMessage<T>(
  message: MessageProxy,
  run: (message: MessageProxy, argument: T) => unknown,
  argument: T,
): unknown {
  const contextIndex = freeIndexes.pop() ?? addContext();
  if (contextIndex === undefined) return running.run(message, run, message, argument);
  const context = contexts[contextIndex]!;
  context.message = message;
  message.contextIndex = contextIndex;
  let result: unknown;
  try {
    result = running.run(context.number, run, message, argument);
  } catch (error) {
    leaveMessage(message);
    throw error;
  }
  if (typeof result !== "object" || result === null) leaveMessage(message);
  return result;
}

/**
 * Ends the context of a message: background work that its actor has left has no current message.
 *
 * @param message The message.
 */
export function leaveMessage(message: MessageProxy): void {
  const { contextIndex } = message;
  if (contextIndex === -1) return;
  message.contextIndex = -1;
  const context = contexts[contextIndex]!;
  context.message = undefined;
  const next = context.number + MAX_CONTEXTS;
  context.number = next < GENERATIONS * MAX_CONTEXTS ? next : contextIndex;
  freeIndexes.push(contextIndex);
}

function addContext(): number | undefined {
  const contextIndex = contexts.length;
  if (contextIndex === MAX_CONTEXTS) return undefined;
  contexts.push({ number: contextIndex, message: undefined });
  return contextIndex;
}

/** @returns The delivery of the calling actor; `undefined` outside an actor. */
export function currentProxy(): MessageProxy | undefined {
  const store = running.getStore();
  if (typeof store !== "number") return store;
  const context = contexts[store % MAX_CONTEXTS]!;
  return context.number === store ? context.message : undefined;
}
