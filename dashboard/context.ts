import type { Address } from "./address.ts";
import type { Viewer } from "./access.ts";
import type { Board } from "./board.ts";
import type { Content } from "./html/text.ts";
import type { DashboardOptions, Right } from "./options.ts";
import type { Preferences } from "./preferences.ts";
import type { Reading } from "./reader.ts";
import type { Notices } from "./notices.ts";

/** Context of pages and actions. */
export interface Context {
  readonly request: Request;
  readonly url: URL;
  /**
   * Aborts after a timeout, or when the dashboard is closed. The request's own signal is not used: on
   * Deno it aborts after each response.
   */
  readonly signal: AbortSignal;
  readonly address: Address;
  readonly viewer: Viewer;
  readonly board: Board;
  /** Names of the brokers that the viewer may see; empty if there is only one. */
  readonly boards: readonly string[];
  readonly options: DashboardOptions;
  readonly notices: Notices;
  readonly preferences: Preferences;
  /** The latest figures. Not for actions. */
  readonly reading: Reading;
  /** The current time, by the clock of the server if that is known. */
  readonly now: number;
}

/** The live part of a page, which is sent again when the figures change. */
export interface LiveView {
  /** One of `LIVE_VIEWS`. */
  readonly name: string;
  /** Parameters of the view. */
  readonly values?: Readonly<Record<string, string | undefined>>;
}

/** Entry of the navigation that a page belongs to. */
export type Place =
  | "queues"
  | "running"
  | "dead"
  | "workers"
  | "schedules"
  | "operations"
  | undefined;

/** A page, as HTML and as JSON. */
export interface Page {
  readonly title: string;
  readonly heading?: Content;
  readonly place: Place;
  readonly live?: LiveView;
  readonly body?: Content;
  /** The content for programs. */
  readonly json: unknown;
  /** @default {200} */
  readonly status?: 200 | 400 | 403 | 404 | 409 | 500;
}

/** True if the viewer has a right, and the broker answers. */
export function may({ viewer, reading }: Context, right: Right): boolean {
  return viewer.rights.has(right) && reading.outage === undefined;
}
