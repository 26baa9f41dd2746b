import { html } from "hono/html";
import type { Message } from "../../core/message.ts";
import { traceIdOf } from "../../core/trace_context.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { Html } from "../html/text.ts";
import type { DashboardOptions } from "../options.ts";

const log = /* @__PURE__ */ getLogger("dashboard");

/**
 * Makes the link to the trace of a message.
 *
 * @param options The option `traceUrl`.
 * @param message The message.
 * @returns The link; `undefined` if there is no trace, or no valid URL.
 */
export function traceLink(
  { traceUrl }: DashboardOptions,
  message: Message | undefined,
): Html | undefined {
  const traceId = message === undefined ? undefined : traceIdOf(message);
  if (traceUrl === undefined || traceId === undefined) return undefined;
  let url: URL | null;
  try {
    const given: unknown = traceUrl(traceId, message!);
    if (given instanceof Promise) {
      given.catch(() => {}); // too late for what it would say
      throw new TypeError("traceUrl returned a promise, and a page does not wait for it");
    }
    url = typeof given === "string" ? URL.parse(given) : null;
  } catch (error) {
    log.error("Failed to make the link to trace {traceId}: {reason}", {
      traceId,
      reason: errorMessage(error),
      error,
    });
    return undefined;
  }
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  return html`<a href="${url.href}" rel="noreferrer" class="id">${traceId}</a>`;
}
