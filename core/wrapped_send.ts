import { getLogger } from "../platform/logging.ts";

const log = /* @__PURE__ */ getLogger("middleware");

/** The part of a message that is needed here. Importing `Message` would close an import circle. */
interface Named {
  readonly actorName: string;
}

/** Middleware with the hook. */
interface Wrapper<B, M> {
  wrapEnqueue?(
    broker: B,
    messages: readonly M[],
    cause: M | undefined,
    next: () => Promise<never>,
  ): Promise<never>;
}

/**
 * Sends messages within `wrapEnqueue` of one middleware, which it holds to the contract of that hook.
 *
 * @param one The middleware.
 * @param broker The broker.
 * @param messages The messages to send.
 * @param cause The message that they follow from.
 * @param send Sends them.
 * @returns The stored messages, whatever the middleware returns; a `TypeError` if it did not call its
 *   `next` once.
 */
export function sendWithin<B, M extends Named, T>(
  one: Wrapper<B, M>,
  broker: B,
  messages: readonly M[],
  cause: M | undefined,
  send: () => Promise<T>,
): Promise<T> {
  let sending: Promise<T> | undefined;
  let isOver = false;
  const next = () => {
    if (isOver) throw refusal(one, messages, "called next after its end");
    if (sending !== undefined) throw refusal(one, messages, "called next more than once");
    return sending = send();
  };
  try {
    const given: unknown = one.wrapEnqueue!(broker, messages, cause, next as () => Promise<never>);
    // One that adds nothing to the promise costs no other.
    if (given === sending && sending !== undefined) return sending;
    return check(one, messages, given, () => {
      isOver = true;
      return sending;
    });
  } catch (error) {
    isOver = true;
    sending?.catch(() => {}); // the sender gets the other error
    return Promise.reject(error);
  }
}

async function check<T>(
  one: object,
  messages: readonly Named[],
  given: unknown,
  endWith: () => Promise<T> | undefined,
): Promise<T> {
  let result: unknown;
  try {
    result = await given;
  } catch (error) {
    endWith()?.catch(() => {}); // the sender gets the other error
    throw error;
  }
  const sending = endWith();
  if (sending === undefined) throw refusal(one, messages, "did not call next");
  const sent = await sending;
  if (result !== sent) {
    log.error("wrapEnqueue of {middleware} returned {given}, not what next gave it: ignored", {
      middleware: one.constructor.name,
      given: result instanceof Object ? result.constructor?.name ?? "an object" : String(result),
    });
  }
  return sent;
}

function refusal(one: object, messages: readonly Named[], reason: string): TypeError {
  const names = new Set(messages.map(({ actorName }) => actorName));
  return new TypeError(
    `Cannot send ${[...names].join(", ")}: wrapEnqueue of ${one.constructor.name} ${reason}`,
  );
}
