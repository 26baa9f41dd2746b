import type { Broker } from "../core/broker.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { Message } from "../core/message.ts";

/** Something that a viewer may change. */
export type Right = "pause" | "requeue" | "cancel" | "drop" | "purge" | "quiet" | "trigger";

/** Author of a request, with their rights. */
export interface Access {
  /** The name for logs, pauses and cancellations. */
  name: string;
  /** `"read"`: look; `"operate"`: all; or some rights. */
  can: "read" | "operate" | readonly Right[];
  /** Names of the brokers that they may see, of those in `broker`. @default All. */
  brokers?: readonly string[];
}

/** Part of a message that {@linkcode DashboardOptions.redact} is asked about. */
export type RedactedPart = "args" | "kwargs" | "options" | "traceback";

/** Something that a viewer did, or was not allowed to do. */
export interface Action {
  /** The name of the viewer. */
  readonly who: string;
  /** Name of the action: `requeue`, `drop`, `pause`, … */
  readonly action: string;
  /** The queue, if it concerns one. */
  readonly queue: string | undefined;
  /** Which messages, in words; `undefined` unless they were chosen by a filter. */
  readonly filter: string | undefined;
  /** The messages, workers or schedules: 20 at most. */
  readonly ids: readonly string[];
  /** Number of messages. */
  readonly count: number;
}

/** Options of {@linkcode dashboard}. */
export interface DashboardOptions {
  /** The broker; or several by their names, to choose from on each page. */
  broker: Broker | Readonly<Record<string, Broker>>;
  /**
   * Who may see what. `"loopback"`: whoever is on this machine, with all rights. A function tells for
   * each request: `undefined` answers 403, a `Response` is passed on, to log in for example.
   */
  access:
    | "loopback"
    | ((
      request: Request,
    ) => Access | Response | undefined | Promise<Access | Response | undefined>);
  /**
   * The path at which it is mounted, as browsers see it: `"/ops"`.
   *
   * @default {undefined} Links are relative. Its first page must then be opened with a slash at its end.
   */
  basePath?: string;
  /**
   * Origins as browsers see them, `"https://ops.example.com"`, if a proxy changes the `Host`.
   *
   * @default {[]}
   */
  origin?: string | readonly string[];
  /** Takes all rights from everybody. @default {false} */
  readOnly?: boolean;
  /**
   * Replaces what pages, JSON and samples show of a message. If it throws, `(hidden)` is shown.
   *
   * @param message The message.
   * @param part Which part of it.
   * @param value The part.
   * @returns What to show instead.
   */
  redact?: (message: Message, part: RedactedPart, value: unknown) => unknown;
  /**
   * Makes the link to the trace of a message, shown on its page if the message carries one (see
   * `OpenTelemetry`). Only `http:` and `https:` are shown; nothing if it throws or returns a promise.
   *
   * @param traceId 32 hexadecimal digits.
   * @param message The message.
   * @returns The URL; `undefined` for no link.
   */
  traceUrl?: (traceId: string, message: Message) => string | undefined;
  /** Called before each action, besides the log line. If it throws, nothing is done. */
  onAction?: (action: Action) => void | Promise<void>;
  /** Number of messages that one operation changes at most. @default {100_000} */
  bulkLimit?: number;
}

const KNOWN_OPTIONS: KnownOptions<DashboardOptions> = {
  broker: true,
  access: true,
  basePath: true,
  origin: true,
  readOnly: true,
  redact: true,
  traceUrl: true,
  onAction: true,
  bulkLimit: true,
};

/**
 * Checks options.
 *
 * @throws {TypeError} If one is unknown, or of the wrong type.
 * @throws {RangeError} If one is out of range.
 */
export function checkOptions(options: DashboardOptions): void {
  assertKnownOptions("dashboard", options, KNOWN_OPTIONS);
  const { access, basePath, bulkLimit = 1, origin = [] } = options;
  if (access !== "loopback" && typeof access !== "function") {
    throw new TypeError(
      `Cannot make a dashboard with access ${
        JSON.stringify(access)
      }: it must be "loopback" or a function`,
    );
  }
  if (basePath !== undefined && !/^(?:\/[\w.~-]+)*$/.test(basePath)) {
    throw new RangeError(
      `Cannot make a dashboard with basePath ${
        JSON.stringify(basePath)
      }: it must start with a "/" ` +
        "and not end with one",
    );
  }
  for (const one of typeof origin === "string" ? [origin] : origin) {
    if (URL.parse(one)?.origin === one) continue;
    throw new RangeError(
      `Cannot make a dashboard with origin ${
        JSON.stringify(one)
      }: it must be a scheme, a host and ` +
        'maybe a port, such as "https://ops.example.com", without a path',
    );
  }
  if (!(Number.isSafeInteger(bulkLimit) && bulkLimit > 0)) {
    throw new RangeError(
      `Cannot make a dashboard with bulkLimit ${bulkLimit}: it must be a whole number above 0`,
    );
  }
}
