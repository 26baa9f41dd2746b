/**
 * Protection against forged requests. Source: the OWASP cheat sheet "Cross-Site Request Forgery
 * Prevention", its section on Fetch Metadata.
 *
 * `hono/csrf` is not used: it lets other content types through, and compares the scheme, which
 * differs behind a proxy that ends TLS.
 *
 * @module
 */

const FORM = "application/x-www-form-urlencoded";

/** Why a request that would change something is refused. */
export interface Refusal {
  /** Status of the response. */
  readonly status: 403 | 415;
  /** The reason, for the page and the log. */
  readonly reason: string;
}

/**
 * Checks that a form of the dashboard itself sent a request.
 *
 * @param request A request that is not GET or HEAD.
 * @param origins Origins of the dashboard as browsers see it, besides its own host.
 * @returns Why it is refused; `undefined` if it is not.
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

/** The host as the client named it, without the default port of either scheme. */
export function hostOfRequest(request: Request): string {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  return host.toLowerCase();
}
