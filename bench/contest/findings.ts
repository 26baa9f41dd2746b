/** Findings about a contestant. Travels as JSON. */
export interface Findings {
  /** Milliseconds: of each round, or of each message picked up. */
  readonly times: readonly number[];
  /** Milliseconds of processor time that the contestant's process took for each round. */
  readonly processorTimes?: readonly number[];
  /** Milliseconds of processor time that the server took for each round, where it is known. */
  readonly serverTimes?: readonly number[];
  /** Commands that clients sent, by name. */
  readonly commands?: Readonly<Record<string, number>>;
  /** Problem with the messages, if anything. */
  readonly problem?: string | undefined;
}
