import { AsyncLocalStorage } from "node:async_hooks";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";

/** How many actors can run at once with a place of their own. */
const PLACES = 4_096;
/** Numbers of visits that stay small integers, which need no memory. */
const VISITS = 2 ** 30 / PLACES;

/** A message whose actor runs, and the number that its context carries. */
interface Visit {
  number: number;
  message: MessageProxy | undefined;
}

/**
 * What the context of an actor carries is the number of a visit rather than the message:
 * Deno 2.9 keeps objects that contexts carried for a while, and to copy them at each garbage
 * collection took a quarter of the time that a message takes. With no place free it is the
 * message after all.
 */
const running = new AsyncLocalStorage<number | MessageProxy>();
const visits: Visit[] = [];
const freePlaces: number[] = [];

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
  const place = freePlaces.pop() ?? addPlace();
  if (place === undefined) return running.run(message, run, message, argument);
  const visit = visits[place]!;
  visit.message = message;
  message.place = place;
  let result: unknown;
  try {
    result = running.run(visit.number, run, message, argument);
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
  const { place } = message;
  if (place === -1) return;
  message.place = -1;
  const visit = visits[place]!;
  visit.message = undefined;
  const next = visit.number + PLACES;
  visit.number = next < VISITS * PLACES ? next : place;
  freePlaces.push(place);
}

function addPlace(): number | undefined {
  const place = visits.length;
  if (place === PLACES) return undefined;
  visits.push({ number: place, message: undefined });
  return place;
}

function currentProxy(): MessageProxy | undefined {
  const store = running.getStore();
  if (typeof store !== "number") return store;
  const visit = visits[store % PLACES]!;
  return visit.number === store ? visit.message : undefined;
}
