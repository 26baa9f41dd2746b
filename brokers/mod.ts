/**
 * All brokers, and what makes one of a URL. Each has an entry of its own, too, for small bundles.
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
