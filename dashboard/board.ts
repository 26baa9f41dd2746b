import { Control } from "../control/control.ts";
import { GaugeReader } from "../control/gauge_reader.ts";
import type { Broker } from "../core/broker.ts";
import type { Inspector } from "../core/inspection.ts";
import { Operations } from "./operations/operations.ts";
import { Reader } from "./reader.ts";

/** A cancellation that was asked for here. */
export interface AskedCancellation {
  readonly by: string;
  readonly at: number;
}

/** Number of cancellations that are remembered for the list of what runs. */
const MAX_ASKED = 1_000;

/** One broker of a dashboard, with what all its viewers share. */
export class Board {
  /** Its name among several. */
  readonly name: string;
  readonly broker: Broker;
  readonly inspector: Inspector;
  /** `undefined` if the broker has no control store. */
  readonly control: Control | undefined;
  readonly reader: Reader;
  /** Gauges for Prometheus. */
  readonly gauges: GaugeReader;
  readonly operations: Operations;
  /** Cancellations by message id, the latest last. */
  readonly asked: Map<string, AskedCancellation> = new Map();

  /**
   * Stores the broker; the inspector connects when it is first used.
   *
   * @param name Its name among several.
   * @param broker The broker.
   * @param bulkLimit Number of messages that one operation changes at most.
   * @throws {TypeError} If the broker cannot be inspected.
   */
  constructor(name: string, broker: Broker, bulkLimit: number) {
    this.name = name;
    this.broker = broker;
    this.inspector = broker.inspect();
    this.control = broker.controlStore === undefined ? undefined : new Control(broker);
    this.reader = new Reader(this.inspector, this.control);
    this.gauges = new GaugeReader(broker, { inspector: this.inspector });
    this.operations = new Operations(this.inspector, bulkLimit);
  }

  /** Remembers who asked for a cancellation. */
  noteCancellation(messageId: string, by: string): void {
    this.asked.set(messageId, { by, at: Date.now() });
    if (this.asked.size > MAX_ASKED) this.asked.delete(this.asked.keys().next().value!);
  }

  /** Stops operations, and closes the connection of the inspector. The broker stays open. */
  async close(): Promise<void> {
    this.reader.close();
    await this.operations.close();
    await this.inspector[Symbol.asyncDispose]();
  }
}
