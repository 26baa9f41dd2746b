/**
 * Protection against cross-site request forgery (CSRF). Source: the OWASP cheat sheet "Cross-Site
 * Request Forgery Prevention", its section on Fetch Metadata.
 *
 * `hono/csrf` is not used: it allows other content types, and compares the scheme, which differs
 * behind a proxy that terminates TLS.
 *
 * @module
 */

const FORM = "application/x-www-form-urlencoded";

/** Refusal of a request. */
export interface Refusal {
  /** Status of the response. */
  readonly status: 403 | 415;
  /** The reason, for the page and the log. */
  readonly reason: string;
}

/**
 * Checks that a request comes from a form of the dashboard.
 *
 * @param request A request other than GET or HEAD.
 * @param origins Origins of the dashboard as browsers see it, in addition to its own host.
 * @returns The refusal; `undefined` if the request is allowed.
 */
export function refusalOf(request: Request, origins: readonly string[]): Refusal | undefined {
  const [type = ""] = (request.headers.get("content-type") ?? "").split(";");
  if (type.trim().toLowerCase() !== FORM) return { status: 415, reason: `it is not ${FORM}` };
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  if (origin !== null && origins.includes(origin)) return undefined;
  if (site !== null) {
    if (site === "same-origin") return undefined;
    return { status: 403, reason: `another site sent it (Sec-Fetch-Site: ${site})` };
  }
  if (origin === null) return { status: 403, reason: "it has no Origin" };
  if (hostOf(origin) === hostOfRequest(request)) return undefined;
  return { status: 403, reason: `another origin sent it (${origin})` };
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}

/** The host of a request, in lower case. */
export function hostOfRequest(request: Request): string {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  return host.toLowerCase();
}
