/** True if the client prefers JSON: a program rather than a browser. */
export function wantsJson({ headers }: Request): boolean {
  return (headers.get("accept") ?? "").includes("application/json");
}
