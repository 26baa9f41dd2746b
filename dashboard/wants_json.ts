/** True if a program asks, not a browser. */
export function wantsJson({ headers }: Request): boolean {
  return (headers.get("accept") ?? "").includes("application/json");
}
