import type { Actor } from "./actor.ts";
import { currentProxy } from "./context.ts";

/**
 * The actor that is running. It is how an actor sends to itself: inside of
 * `actor(async function crawl(url) { … })` the name `crawl` is the bare function, which sends nothing.
 *
 * @param fn The function of the actor, which gives the types of its arguments.
 * @returns The actor.
 * @throws {TypeError} If no actor is running, or another one than that of the function.
 *
 * @example Follow links, each in a message of its own
 * ```ts
 * import { actor, currentActor, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * export const crawl = actor(async function crawl(url: string, depth: number) {
 *   if (depth > 0) await currentActor(crawl).send(new URL("./next", url).href, depth - 1);
 * });
 *
 * await crawl.send("https://example.com/", 3);
 * ```
 */
// deno-lint-ignore no-explicit-any -- any function; what it takes and returns is inferred
export function currentActor<P extends any[] = any[], R = unknown>(
  fn?: (...args: P) => R,
): Actor<P, Awaited<R>> {
  const actor = currentProxy()?.actor;
  if (actor === undefined) {
    throw new TypeError("Cannot get the current actor: no actor is running here");
  }
  if (fn !== undefined && actor.fn !== fn) {
    throw new TypeError(
      `Cannot use ${fn.name || "a function"} as the current actor: "${actor.actorName}" is running`,
    );
  }
  return actor as unknown as Actor<P, Awaited<R>>;
}
