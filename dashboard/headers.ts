/**
 * Headers of each response.
 *
 * @module
 */

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/**
 * Security headers. HSTS is not among them, since it applies to the whole host: the server sets it.
 */
const SECURITY: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * Adds security headers to a response of the dashboard.
 *
 * @param response The response, which is modified.
 */
export function secure(response: Response): Response {
  for (const [name, value] of Object.entries(SECURITY)) response.headers.set(name, value);
  if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
  return response;
}
