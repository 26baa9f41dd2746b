/**
 * A dashboard in the browser that shows and changes queues, messages, dead letters, workers and
 * schedules.
 *
 * @example Serve it on this machine
 * ```ts
 * import { RedisBroker } from "@dq/dramatiq";
 * import { dashboard } from "@dq/dramatiq/dashboard";
 *
 * const broker = new RedisBroker({ url: "redis://127.0.0.1:6379" });
 * export const serve = () =>
 *   Deno.serve({ hostname: "127.0.0.1", port: 9192 }, dashboard({ broker, access: "loopback" }));
 * ```
 *
 * @module
 */
export { type Dashboard, dashboard } from "./dashboard.ts";
export type { Access, Action, DashboardOptions, RedactedPart, Right } from "./options.ts";
