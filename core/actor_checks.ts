/** Options that only actors have, and what to use for a single message. */
const OPTIONS_OF_ACTORS: Readonly<Record<string, string>> = {
  priority: "set it on the actor; on RabbitMQ and SQLite a message may have brokerPriority",
  queueName: "set it on the actor, or enqueue a copy: message.copy({ queueName })",
};

/**
 * Checks that a worker can run a value as an actor.
 *
 * @param fn The function or class of the actor.
 * @throws {TypeError} If it is not a function, or one whose call would run nothing.
 */
export function assertActorFunction(fn: unknown): void {
  if (isClass(fn) || typeof fn !== "function") {
    throw new TypeError(
      `Cannot create an actor from ${isClass(fn) ? `class ${fn.name}` : String(fn)}: ` +
        "it must be a function, or a class that extends GenericActor",
    );
  }
  // Its call gives an iterator that nothing would iterate: messages would succeed without effect.
  if (/GeneratorFunction\]$/.test(Object.prototype.toString.call(fn))) {
    throw new TypeError(
      `Cannot create an actor from the generator function ${fn.name}: workers call a function ` +
        "once, which runs nothing of a generator",
    );
  }
}

/**
 * Refuses options that would have no effect on a message.
 *
 * @param options Options of a message.
 * @param actorName Actor of the message, for the error.
 * @throws {TypeError} If one is an option of actors only.
 */
export function assertMessageOptions(options: object, actorName: string): void {
  for (const name in options) {
    if (!Object.hasOwn(OPTIONS_OF_ACTORS, name)) continue;
    if ((options as Record<string, unknown>)[name] === undefined) continue;
    throw new TypeError(
      `Cannot make a message for actor "${actorName}": ${name} is not an option of messages; ` +
        OPTIONS_OF_ACTORS[name],
    );
  }
}

/** True for a class, which cannot be called without `new`. */
function isClass(value: unknown): value is { readonly name: string } {
  if (typeof value !== "function") return false;
  return Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}
