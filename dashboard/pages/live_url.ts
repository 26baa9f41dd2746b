import { query } from "../address.ts";
import type { Context, LiveView, Place } from "../context.ts";

/** Address of the event stream of a page. */
export function liveUrl({ address }: Context, place: Place, view: LiveView | undefined): string {
  return `${address.root}events${
    query({ ...view?.values, view: view?.name, place, depth: `${address.depth}` })
  }`;
}
