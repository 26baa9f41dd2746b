import type { Message } from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import type { Side } from "./broker_control_harness.ts";

/** Tells whether a send gave the message that is there. */
export const isDuplicate = ({ isDuplicate }: Message) => isDuplicate;

/** Waits until no message has a claim. */
export const noClaims = (side: Side) =>
  eventually("end the claims", async () => (await side.control.claims()).length === 0);
