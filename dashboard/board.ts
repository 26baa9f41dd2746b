import { Control } from "../control/control.ts";
import { GaugeReader } from "../control/gauge_reader.ts";
import type { Broker } from "../core/broker.ts";
import type { Inspector } from "../core/inspection.ts";
import { Operations } from "./operations/operations.ts";
import { Reader } from "./reader.ts";

/** A cancellation by a viewer of this dashboard. */
export interface RequestedCancellation {
  /** Name of the viewer. */
  readonly by: string;
  /** In milliseconds since the epoch. */
  readonly at: number;
}

/** Maximum of cancellations that are kept for the list of running messages. */
const MAX_CANCELLATIONS = 1_000;

/** A broker of a dashboard, with the readers and operations that all its viewers share. */
export class Board {
  /** Name of the broker; empty if there is only one. */
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
  readonly cancellations: Map<string, RequestedCancellation> = new Map();

  /**
   * Stores the broker; the inspector connects at first use.
   *
   * @param name Name of the broker; empty if there is only one.
   * @param broker The broker.
   * @param bulkLimit Maximum of messages that one operation changes.
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

  /** Records a cancellation. */
  addCancellation(messageId: string, by: string): void {
    const { cancellations } = this;
    cancellations.set(messageId, { by, at: Date.now() });
    if (cancellations.size > MAX_CANCELLATIONS) {
      cancellations.delete(cancellations.keys().next().value!);
    }
  }

  /** Stops operations, and closes the connection of the inspector. The broker stays open. */
  async close(): Promise<void> {
    this.reader.close();
    await this.operations.close();
    await this.inspector[Symbol.asyncDispose]();
  }
}
