/**
 * Headers of each response.
 *
 * @module
 */

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/**
 * Headers that keep a browser from running what a page should not hold. HSTS is left to the server:
 * it applies to the whole host.
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
 * Adds the headers of the dashboard to a response of its own.
 *
 * @param response The response; its headers change.
 */
export function secure(response: Response): Response {
  for (const [name, value] of Object.entries(SECURITY)) response.headers.set(name, value);
  if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
  return response;
}
