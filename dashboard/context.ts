import type { Address } from "./address.ts";
import type { Viewer } from "./access.ts";
import type { Board } from "./board.ts";
import type { Content } from "./html/text.ts";
import type { DashboardOptions, Right } from "./options.ts";
import type { Preferences } from "./preferences.ts";
import type { Reading } from "./reader.ts";
import type { Notices } from "./notices.ts";

/** Request, as pages and actions see it. */
export interface Context {
  readonly request: Request;
  readonly url: URL;
  /** Ends what takes too long. That of the request is not used: on Deno it aborts whenever a response was sent. */
  readonly signal: AbortSignal;
  readonly address: Address;
  readonly viewer: Viewer;
  readonly board: Board;
  /** Names of the brokers that the viewer may see; empty if there is only one. */
  readonly boards: readonly string[];
  readonly options: DashboardOptions;
  readonly notices: Notices;
  readonly preferences: Preferences;
  /** The latest figures. Actions do not use them. */
  readonly reading: Reading;
  /** The present, by the clock of the server if that is known. */
  readonly now: number;
}

/** A part of a page that is sent again when the figures change. */
export interface LiveView {
  /** One of `LIVE_VIEWS`. */
  readonly name: string;
  /** Content of the page. */
  readonly values?: Readonly<Record<string, string | undefined>>;
}

/** A page of the navigation. */
export type Place =
  | "queues"
  | "running"
  | "dead"
  | "workers"
  | "schedules"
  | "operations"
  | undefined;

/** A page, for people and for programs. */
export interface Page {
  readonly title: string;
  readonly heading?: Content;
  readonly place: Place;
  readonly live?: LiveView;
  readonly body?: Content;
  /** The same for programs. */
  readonly json: unknown;
  /** @default {200} */
  readonly status?: 200 | 400 | 403 | 404 | 409 | 500;
}

/** True if the viewer may do something, and the broker answers. */
export function may({ viewer, reading }: Context, right: Right): boolean {
  return viewer.rights.has(right) && reading.outage === undefined;
}
