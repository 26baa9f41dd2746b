/**
 * All brokers, and a function that creates one from a URL. Each broker also has an entry of its own, for
 * small bundles.
 *
 * @example A broker by the URL of the environment
 * ```ts
 * import { brokerFromUrl } from "@dq/dramatiq/brokers";
 *
 * const broker = brokerFromUrl("sqlite:tasks.db"); // connects when it is first used
 * ```
 *
 * @module
 */
import "./default_broker.ts";
export { brokerFromUrl } from "./from_url.ts";
export * from "./rabbitmq/mod.ts";
export * from "./redis/mod.ts";
export * from "./sqlite/mod.ts";
export * from "./stub/mod.ts";
