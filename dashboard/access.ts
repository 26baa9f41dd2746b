import { errorMessage } from "../platform/thrown.ts";
import type { Access, DashboardOptions, Right } from "./options.ts";
import { hostOfRequest } from "./same_origin.ts";

/** All rights. */
export const RIGHTS: readonly Right[] = [
  "pause",
  "requeue",
  "cancel",
  "drop",
  "purge",
  "quiet",
  "trigger",
];

/** An authenticated user of the dashboard. */
export interface Viewer {
  /** Name for logs and pages. */
  readonly name: string;
  /** Changes that they may make. */
  readonly rights: ReadonlySet<Right>;
  /** Brokers that they may see; `undefined` for all. */
  readonly brokers: ReadonlySet<string> | undefined;
}

/** Outcome of the access check. */
export type Admission =
  | { readonly viewer: Viewer }
  | { readonly response: Response }
  | { readonly refused: string };

const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;
const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/**
 * Checks the access of a request.
 *
 * @param request The request.
 * @param options The options of the dashboard.
 * @returns The viewer, a response such as a login page, or the reason of a refusal.
 */
export async function admit(request: Request, options: DashboardOptions): Promise<Admission> {
  if (options.access === "loopback") {
    const refused = whyNotLoopback(request);
    if (refused !== undefined) return { refused };
    return { viewer: viewerOf({ name: "local", can: "operate" }, options) };
  }
  let access: Access | Response | undefined;
  try {
    access = await options.access(request);
  } catch (error) {
    return { refused: `the access check failed: ${errorMessage(error)}` };
  }
  if (access instanceof Response) return { response: access };
  if (access === undefined) return { refused: "the access check refused it" };
  return { viewer: viewerOf(access, options) };
}

/**
 * Refuses other machines, and other sites whose host name resolves to this machine (DNS rebinding).
 */
function whyNotLoopback(request: Request): string | undefined {
  const host = hostOfRequest(request);
  if (!LOOPBACK_HOST.test(host)) return `its host is ${host}, not this machine`;
  const header = FORWARDED.find((name) => request.headers.has(name));
  return header === undefined ? undefined : `a proxy sent it (${header})`;
}

function viewerOf({ name, can, brokers }: Access, { readOnly }: DashboardOptions): Viewer {
  const rights = readOnly || can === "read" ? [] : can === "operate" ? RIGHTS : can;
  return {
    name: String(name),
    rights: new Set(rights),
    brokers: brokers === undefined ? undefined : new Set(brokers),
  };
}
