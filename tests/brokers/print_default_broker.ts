/**
 * Prints the class of the broker that a program has which sets none.
 *
 * @module
 */
import { getBroker } from "@dq/dramatiq";

try {
  const broker = getBroker();
  console.log(broker === getBroker() ? broker.constructor.name : "two of them");
} catch (error) {
  console.log(String(error));
}
