import { checkOptions, type DashboardOptions } from "./options.ts";
import { Site } from "./site.ts";

/** A dashboard: call it with a request. */
export interface Dashboard extends AsyncDisposable {
  /** Answers a request. It never rejects. */
  (request: Request): Promise<Response>;

  /**
   * Stops operations, and closes the connections that the dashboard opened. The broker stays open.
   */
  close(): Promise<void>;
}

/**
 * Makes a dashboard that shows and controls a broker, as a request handler for `Deno.serve`,
 * `Bun.serve`, Hono and others.
 *
 * @param options The broker, and the access check. `access` has no default.
 * @returns The handler. It connects when the first page is opened.
 * @throws {TypeError} If an option is unknown or of the wrong type, or a broker cannot be
 *   inspected.
 * @throws {RangeError} If an option is out of range.
 *
 * @example Show a broker to all users of this machine
 * ```ts
 * import { StubBroker } from "@dq/dramatiq";
 * import { dashboard } from "@dq/dramatiq/dashboard";
 *
 * const broker = new StubBroker();
 * await using handler = dashboard({ broker, access: "loopback" });
 * const response = await handler(new Request("http://localhost/"));
 * console.log(response.status); // 200
 * ```
 */
export function dashboard(options: DashboardOptions): Dashboard {
  checkOptions(options);
  const site = new Site(options);
  const close = (): Promise<void> => site.close();
  return Object.assign((request: Request) => site.handle(request), {
    close,
    [Symbol.asyncDispose]: close,
  });
}
