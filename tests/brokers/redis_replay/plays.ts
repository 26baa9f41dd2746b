import type { Plays } from "./play.ts";
import { DELAYING } from "./plays/delaying.ts";
import { LIVE } from "./plays/live.ts";
import { MAINTAINING } from "./plays/maintaining.ts";
import { SENDING } from "./plays/sending.ts";
import { SETTLING } from "./plays/settling.ts";
import { WORKING } from "./plays/working.ts";

/** How each scenario is played here. */
export const PLAYS: Readonly<Record<string, Plays>> = {
  ...SENDING,
  ...DELAYING,
  ...SETTLING,
  ...MAINTAINING,
  ...WORKING,
  ...LIVE,
};
