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

/** A person or program that may see the dashboard. */
export interface Viewer {
  /** The name for logs and pages. */
  readonly name: string;
  /** Changes that it may make. */
  readonly rights: ReadonlySet<Right>;
  /** The brokers that it may see; `undefined` for all. */
  readonly brokers: ReadonlySet<string> | undefined;
}

/** The outcome of asking for access. */
export type Admission =
  | { readonly viewer: Viewer }
  | { readonly response: Response }
  | { readonly refused: string };

const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;
const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/**
 * Decides who a request is from.
 *
 * @param request The request.
 * @param options The options of the dashboard.
 * @returns The viewer, a response that lets them log in, or why there is none.
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

/** Stops other machines, and pages of other sites whose name leads to this machine. */
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
