import { hostname, processId } from "../platform/process.ts";

/** Default number of workers that may die while a message runs before the message is given up. */
const MAX_DEATHS = 3;
/** Longest note on deaths that is kept, in characters. */
export const LONGEST_NOTES = 1_000;

/**
 * Suspicion against a message that a dead worker had in flight. A death counts only if the message
 * had been started under a mark, see `Consumer.begin`.
 */
export interface Suspicion {
  /** Number of workers that died while the message ran under a mark, since it was last sent. */
  readonly deaths: number;
  /** The workers that died and when, as text for people. */
  readonly notes: string;
}

/** The part of a delivery that suspicion depends on. */
interface Suspect {
  readonly actorName: string;
  readonly suspicion: Suspicion | undefined;
  /** Reads an option of the message. */
  option(name: string): unknown;
}

/** The part of a broker that suspicion depends on. */
interface ActorSource {
  readonly actors: ReadonlyMap<string, { readonly options: Readonly<Record<string, unknown>> }>;
}

/**
 * Counts the workers that died while a message ran, in all of its attempts.
 *
 * @param message The message, as it was delivered.
 * @returns The number; an invalid option counts as 0.
 */
export function deathsOf(message: Suspect): number {
  return deathsBefore(message) + (message.suspicion?.deaths ?? 0);
}

/**
 * True if a worker died while a message ran under a mark: the message must run alone.
 *
 * @param message The message, as it was delivered.
 */
export function isBlamed(message: Suspect): boolean {
  return message.suspicion !== undefined && deathsOf(message) > 0;
}

/**
 * Returns the options that pass deaths on to the next attempt of a message: a retry, or after a snooze.
 *
 * @param message The message, as it was delivered.
 * @returns The options; `undefined` if no worker died.
 */
export function carriedDeaths(message: Suspect): { readonly deaths: number } | undefined {
  return message.suspicion === undefined || message.suspicion.deaths === 0
    ? undefined
    : { deaths: deathsOf(message) };
}

/**
 * Returns the number of workers that may die while a message runs.
 *
 * @param broker The broker, which knows its actor.
 * @param message The message.
 * @returns The number; `Infinity` if it is never given up.
 */
export function maxDeathsOf(broker: ActorSource, message: Suspect): number {
  const own = message.option("maxDeaths");
  if (own === null) return Infinity;
  if (isLimit(own)) return own;
  const ofActor = broker.actors.get(message.actorName)?.options["maxDeaths"];
  if (ofActor === null) return Infinity;
  return isLimit(ofActor) ? ofActor : MAX_DEATHS;
}

/**
 * Refuses an invalid actor option `maxDeaths`.
 *
 * @param actorName The actor.
 * @param value The option.
 * @throws {RangeError} If it is neither a whole number above 0 nor `null`.
 */
export function checkMaxDeaths(actorName: string, value: unknown): void {
  if (value === undefined || value === null || isLimit(value)) return;
  throw new RangeError(
    `Cannot declare actor "${actorName}": its maxDeaths must be a whole number above 0, or null, ` +
      `not ${typeof value === "string" ? JSON.stringify(value) : String(value)}`,
  );
}

function deathsBefore(message: Suspect): number {
  const deaths = message.option("deaths");
  return typeof deaths === "number" && deaths > 0 && Number.isSafeInteger(deaths) ? deaths : 0;
}

function isLimit(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

/**
 * Describes this worker in a mark.
 *
 * @param now Milliseconds since the epoch.
 * @returns The host, the process and the time.
 */
export function noteOfWorker(now: number): string {
  const host = (hostname() ?? "unknown host").replaceAll("|", "");
  return `${host}, pid ${processId()}, ${new Date(now).toISOString()}`;
}
