/**
 * The hash tag of a key, which determines its slot on a cluster: the text in the first braces, unless
 * that is empty. Source: "Redis cluster specification", hash tags.
 *
 * @param key The key.
 * @returns The tag; `undefined` if the whole key determines the slot.
 */
export function clusterSlotTag(key: string): string | undefined {
  return /^[^{]*\{([^}]+)\}/.exec(key)?.[1];
}
