// The broker of all modules of this example. They import it first, so that actors find it.
import process from "node:process";
import { brokerFromUrl, setBroker } from "@dq/dramatiq";

export const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);
