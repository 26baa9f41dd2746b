import type { Plays } from "./play.ts";
import { CONSUMING } from "./plays/consuming.ts";
import { DECLARING } from "./plays/declaring.ts";
import { LIVE } from "./plays/live.ts";
import { PUBLISHING } from "./plays/publishing.ts";
import { WORKING } from "./plays/working.ts";

/** How each scenario is played here. */
export const PLAYS: Readonly<Record<string, Plays>> = {
  ...DECLARING,
  ...PUBLISHING,
  ...CONSUMING,
  ...WORKING,
  ...LIVE,
};
