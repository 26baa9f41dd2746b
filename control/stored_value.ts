import type { ControlJson } from "../core/control_store.ts";

/**
 * Parses the value of a stored entry. Other programs can write anything: one unreadable entry must not
 * keep workers from reading the others.
 *
 * @param text The stored text.
 * @returns The value; `null`, as of an entry that was removed, if the text is not JSON.
 */
export function parseStoredValue(text: string): ControlJson | null {
  try {
    return JSON.parse(text) as ControlJson;
  } catch {
    return null;
  }
}
