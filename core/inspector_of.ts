import type { Inspector } from "./inspection.ts";

/** A broker has no inspector. Its `name` is that of any `TypeError`. */
export class NoInspector extends TypeError {}

/**
 * Opens an inspector of a broker that may have none.
 *
 * @param broker The broker.
 * @returns The inspector; `undefined` if the broker has none.
 * @throws If it has one that cannot be opened, because of an invalid option for example.
 */
export function inspectorOf(broker: { inspect(): Inspector }): Inspector | undefined {
  try {
    return broker.inspect();
  } catch (error) {
    if (error instanceof NoInspector) return undefined;
    throw error;
  }
}
