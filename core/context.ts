import { AsyncLocalStorage } from "node:async_hooks";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";

/** Number of actors that can run at once with a place of their own. */
const MAX_CONTEXTS = 4_096;
/** Numbers of visits that stay small integers, which need no memory. */
const GENERATIONS = 2 ** 30 / MAX_CONTEXTS;

/** A message whose actor runs, and the number that its context carries. */
interface Context {
  number: number;
  message: MessageProxy | undefined;
}

/**
 * Context of an actor: the number of a visit rather than the message:
 * Deno 2.9 keeps objects that contexts carried for a while, and to copy them at each garbage
 * collection took a quarter of the time that a message takes. With no place free it is the
 * message after all.
 */
const running = /* @__PURE__ */ new AsyncLocalStorage<number | MessageProxy>();
const contexts: Context[] = [];
const freeIndexes: number[] = [];

/**
 * The message that the calling actor runs for.
 *
 * @returns The message; `undefined` outside an actor, and in what an actor left running
 *   when it was over.
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
 * The signal that aborts when the calling actor is to stop: at its time limit, or
 * at shutdown if it asked for that. Its reason is an `Interrupt`.
 *
 * @returns The signal; one that never aborts where there is no current message.
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
  return currentProxy()?.signal ?? new AbortController().signal;
}

/**
 * Calls a function so that it, and all it starts, sees the message as the current one:
 * until it has returned, or, when it returns a promise, until {@linkcode leaveMessage}.
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
 * Says that what was called for a message is over. What it left behind in the background
 * sees no message any more.
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

/** @returns The delivery that the calling actor runs for, if one does. */
export function currentProxy(): MessageProxy | undefined {
  const store = running.getStore();
  if (typeof store !== "number") return store;
  const context = contexts[store % MAX_CONTEXTS]!;
  return context.number === store ? context.message : undefined;
}
