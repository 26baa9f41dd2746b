import type { Broker } from "../core/broker.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { Message } from "../core/message.ts";
import { showValue } from "../platform/show_value.ts";

/** Permission to make a kind of change. */
export type Right = "pause" | "requeue" | "cancel" | "drop" | "purge" | "quiet" | "trigger";

/** User of a request, with their rights. */
export interface Access {
  /** Name for logs, pauses and cancellations. */
  name: string;
  /** `"read"` for no rights, `"operate"` for all, or some rights. */
  can: "read" | "operate" | readonly Right[];
  /** Names of the brokers in `broker` that they may see. @default All. */
  brokers?: readonly string[];
}

/** Part of a message that {@linkcode DashboardOptions.redact} may replace. */
export type RedactedPart = "args" | "kwargs" | "options" | "traceback";

/** A change by a viewer. */
export interface Action {
  /** The name of the viewer. */
  readonly who: string;
  /** Name of the action: `requeue`, `drop`, `pause`, … */
  readonly action: string;
  /** The queue, if it concerns one. */
  readonly queue: string | undefined;
  /** The filter that selects messages, as text; `undefined` without one. */
  readonly filter: string | undefined;
  /** Ids of messages or workers, or names of schedules; at most 20. */
  readonly ids: readonly string[];
  /** Number of messages. */
  readonly count: number;
}

/** Options of {@linkcode dashboard}. */
export interface DashboardOptions {
  /** The broker, or several by name. */
  broker: Broker | Readonly<Record<string, Broker>>;
  /**
   * The access check. `"loopback"` gives all rights to all users of this machine. A function is
   * called for each request: it returns the access, `undefined` for a response with status 403, or
   * a `Response`, such as a redirect to a login page.
   */
  access:
    | "loopback"
    | ((
      request: Request,
    ) => Access | Response | undefined | Promise<Access | Response | undefined>);
  /**
   * The path at which it is mounted, as browsers see it, such as `"/ops"`.
   *
   * @default {undefined} Links are relative. The address of the first page then needs a trailing
   *   slash.
   */
  basePath?: string;
  /**
   * Origins as browsers see them, such as `"https://ops.example.com"`, if a proxy changes the
   * `Host`.
   *
   * @default {[]}
   */
  origin?: string | readonly string[];
  /** True to refuse every change, from any user. @default {false} */
  readOnly?: boolean;
  /**
   * Replaces parts of messages on pages, in JSON and in samples. If it throws, `(hidden)` is shown.
   *
   * @param message The message.
   * @param part Name of the part.
   * @param value The part.
   * @returns The value to show instead.
   */
  redact?: (message: Message, part: RedactedPart, value: unknown) => unknown;
  /**
   * Makes the link to the trace of a message, for the page of a message that carries one (see
   * `OpenTelemetry`). No link is shown for URLs other than `http:` and `https:`, or if it throws or
   * returns a promise.
   *
   * @param traceId 32 hexadecimal digits.
   * @param message The message.
   * @returns The URL; `undefined` for no link.
   */
  traceUrl?: (traceId: string, message: Message) => string | undefined;
  /**
   * Called before each action, in addition to logging. If it throws, the action is not performed.
   */
  onAction?: (action: Action) => void | Promise<void>;
  /** Maximum of messages that one operation changes. @default {100_000} */
  bulkLimit?: number;
}

const KNOWN_OPTIONS: KnownOptions<DashboardOptions> = {
  broker: true,
  access: true,
  basePath: true,
  origin: true,
  readOnly: "boolean",
  redact: "function",
  traceUrl: "function",
  onAction: "function",
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
  const { access, basePath, broker, bulkLimit = 1, origin = [] } = options;
  const isNamed = typeof broker === "object" && broker !== null &&
    Object.values(broker).every(isBroker);
  if (!isBroker(broker) && !isNamed) {
    throw new TypeError("Cannot make a dashboard: its broker must be a broker, or brokers by name");
  }
  if (access !== "loopback" && typeof access !== "function") {
    throw new TypeError(
      `Cannot make a dashboard with access ${
        showValue(access)
      }: it must be "loopback" or a function`,
    );
  }
  if (basePath !== undefined && !/^(?:\/[\w.~-]+)*$/.test(basePath)) {
    throw new RangeError(
      `Cannot make a dashboard with basePath ${showValue(basePath)}: it must start with a "/" ` +
        "and not end with one",
    );
  }
  for (const one of Array.isArray(origin) ? origin : [origin]) {
    if (typeof one === "string" && URL.parse(one)?.origin === one) continue;
    const Reason = typeof one === "string" ? RangeError : TypeError;
    throw new Reason(
      `Cannot make a dashboard with origin ${showValue(one)}: it must be a scheme, a host and ` +
        'maybe a port, such as "https://ops.example.com", without a path',
    );
  }
  if (!(Number.isSafeInteger(bulkLimit) && bulkLimit > 0)) {
    throw new RangeError(
      `Cannot make a dashboard with bulkLimit ${bulkLimit}: it must be a whole number above 0`,
    );
  }
}

function isBroker(value: unknown): boolean {
  return typeof (value as Partial<Broker> | null)?.inspect === "function";
}
