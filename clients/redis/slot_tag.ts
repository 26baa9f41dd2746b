/**
 * The part of a key that decides where it lies on a cluster: what stands in the first
 * braces, if anything does. Source: "Redis cluster specification", hash tags.
 *
 * @param key The key.
 * @returns The tag, `undefined` when the whole key decides.
 */
export function clusterSlotTag(key: string): string | undefined {
  return /^[^{]*\{([^}]+)\}/.exec(key)?.[1];
}
