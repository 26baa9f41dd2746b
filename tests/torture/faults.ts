import { Random } from "./random.ts";

/** Something to do to the processes, their connections or the server. */
export type Fault =
  /** Kills a worker while it runs something, and puts a new one in its place. */
  | { readonly kind: "kill"; readonly place: number }
  /** Cuts the connections of one process, or of all. */
  | { readonly kind: "cut"; readonly place: number | "all" }
  /** Makes the connections of one process, or of all, half-open for a while. */
  | { readonly kind: "freeze"; readonly place: number | "all"; readonly duration: number }
  /**
   * Makes the connections of one process, or of all, silent for good, and those that are made in a
   * while: the server takes bytes and never answers.
   */
  | { readonly kind: "silence"; readonly place: number | "all"; readonly duration: number }
  /** Makes a worker stand still for a while. */
  | { readonly kind: "pause"; readonly place: number; readonly duration: number }
  /** Kills the server, and starts it after a while; maybe a worker is killed meanwhile. */
  | {
    readonly kind: "restart";
    readonly duration: number;
    readonly killed: number | undefined;
  };

/** Kinds of faults. */
export type FaultKind = Fault["kind"];

/** Options of {@linkcode planFaults}. */
export interface FaultOptions {
  /** Number. */
  readonly faults: number;
  /** Number of workers; they hold the first places. */
  readonly workers: number;
  /** Number of producers; they hold the places after the workers. */
  readonly producers: number;
  /** Milliseconds after which a silent worker loses what it had: some faults last longer. */
  readonly heartbeatTimeout: number;
  /** Decides everything. */
  readonly seed: number;
  /** The kinds that there can be. @default All. */
  readonly kinds?: readonly FaultKind[] | undefined;
}

/** Number of times each kind comes, in eleven: kills are what happens most. */
const KINDS: readonly Fault["kind"][] = [
  ...["kill", "cut", "restart", "freeze", "pause"] as const,
  ...["silence", "kill", "cut", "restart", "kill", "cut"] as const,
];
const LONGEST_DOWNTIME = 1_500;

/** @returns The faults in their order; the same for the same options. */
export function planFaults(options: FaultOptions): Fault[] {
  const { faults, workers, producers, heartbeatTimeout, seed } = options;
  const random = new Random(seed);
  const worker = () => random.between(0, workers - 1);
  const place = () => random.chance(0.3) ? "all" : random.between(0, workers + producers - 1);
  const duration = () => random.between(100, 2 * heartbeatTimeout);
  const plan: Record<Fault["kind"], () => Fault> = {
    kill: () => ({ kind: "kill", place: worker() }),
    cut: () => ({ kind: "cut", place: place() }),
    freeze: () => ({ kind: "freeze", place: place(), duration: duration() }),
    silence: () => ({ kind: "silence", place: place(), duration: duration() }),
    pause: () => ({ kind: "pause", place: worker(), duration: duration() }),
    restart: () => ({
      kind: "restart",
      duration: random.between(0, LONGEST_DOWNTIME),
      killed: random.chance(0.3) ? worker() : undefined,
    }),
  };
  const possible = KINDS.filter((kind) => options.kinds?.includes(kind) ?? true);
  const kinds = Array.from({ length: faults }, (_, i) => possible[i % possible.length]!);
  return random.shuffle(kinds).map((kind) => plan[kind]());
}
