/** Broker that an actor sends with. */
const SENDING: readonly string[] = [
  "message",
  "messageWithOptions",
  "send",
  "sendMany",
  "sendWithOptions",
];

/**
 * Has the function of an actor say why it sends and logs nothing. Inside of
 * `actor(async function crawl() { await crawl.send(); })` the name is this function, not the actor:
 * TypeScript knows, and others would be told "crawl.send is not a function" by each retry.
 *
 * @param fn The function.
 */
export function explainSending(fn: object): void {
  if (!Object.isExtensible(fn)) return;
  if (!("logger" in fn)) Object.defineProperty(fn, "logger", LOGGER);
  for (const name of SENDING) {
    if (name in fn) continue;
    Object.defineProperty(fn, name, { value: refuse(name), configurable: true, writable: true });
  }
}

/** In place of the logger of an actor. It can be overwritten like any other property. */
const LOGGER: PropertyDescriptor = {
  get(): never {
    throw new TypeError(
      "Cannot log from inside of an actor by the name of its function: that is the bare function; " +
        "use currentActor().logger",
    );
  },
  set(value: unknown): void {
    Object.defineProperty(this, "logger", { value, configurable: true, writable: true });
  },
  configurable: true,
};

const refusals = new Map<string, () => never>();

function refuse(name: string): () => never {
  const known = refusals.get(name);
  if (known !== undefined) return known;
  const refusal = () => {
    throw new TypeError(
      `Cannot ${name === "message" || name === "messageWithOptions" ? "make a message" : "send"} ` +
        `from inside of an actor by the name of its function: that is the bare function; use ` +
        `currentActor().${name}(…)`,
    );
  };
  refusals.set(name, refusal);
  return refusal;
}
