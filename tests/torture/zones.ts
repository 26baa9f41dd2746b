/**
 * Does a pattern fire when the documented rule says, in every zone there is, whenever its clocks
 * change?
 *
 * For each zone of `Intl.supportedValuesOf("timeZone")` and each day of two years on which its clocks
 * change, patterns are compared with a scan of all minutes of three days, by `Intl` alone.
 *
 *     deno run -A tests/torture/zones.ts [--from 2025] [--years 2] [--zone Europe/Berlin]
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { cronTicks } from "../../control/cron.ts";
import { dailyTimes, localMinutes, timesOf } from "../control/local_times.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "2025" },
    years: { type: "string", default: "2" },
    zone: { type: "string" },
  },
});
const start = Date.UTC(Number(values.from), 0, 1);
const end = Date.UTC(Number(values.from) + Number(values.years), 0, 1);
const zones = values.zone === undefined ? Intl.supportedValuesOf("timeZone") : [values.zone];

/** Days, as milliseconds since the epoch, in which the offset of a zone changes. */
function changesOf(timeZone: string): number[] {
  const format = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" });
  const offsetAt = (at: number) =>
    format.formatToParts(at).find(({ type }) => type === "timeZoneName")!.value;
  const changes: number[] = [];
  let offset = offsetAt(start);
  for (let day = start; day < end; day += DAY) {
    const next = offsetAt(day + DAY);
    if (next !== offset) changes.push(day);
    offset = next;
  }
  return changes;
}

/** Patterns whose hours are no fixed one, with what they name. */
const WILD: readonly [string, (hour: number, minute: number) => boolean][] = [
  ["*/15 * * * *", (_hour, minute) => minute % 15 === 0],
  ["7 * * * *", (_hour, minute) => minute === 7],
  ["30 0-5 * * *", (hour, minute) => minute === 30 && hour <= 5],
  ["0,45 0,1,2,3,23 * * *", (hour, minute) => minute % 45 === 0 && (hour < 4 || hour === 23)],
  ["*/20 */2 * * *", (hour, minute) => minute % 20 === 0 && hour % 2 === 0],
];

/** The last hour of a Saturday in March does not exist there, and is left out: docs/periodic.md. */
const GREENLAND = ["America/Nuuk", "America/Godthab", "America/Scoresbysund"];

let cases = 0;
const faults: string[] = [];

function compare(name: string, found: readonly string[], expected: readonly number[]): void {
  cases += 1;
  const texts = expected.map((at) => new Date(at).toISOString());
  if (found.join() === texts.join()) return;
  faults.push(`${name}: ${found.join(" ")} instead of ${texts.join(" ")}`);
}

for (const zone of zones) {
  for (const day of changesOf(zone)) {
    const [from, until] = [day - DAY, day + 2 * DAY];
    const minutes = localMinutes(zone, from, until);
    for (let hour = 0; hour < (GREENLAND.includes(zone) ? 23 : 24); hour++) {
      for (const minute of hour < 5 || hour > 21 ? [0, 15, 45] : [30]) {
        const pattern = `${minute} ${hour} * * *`;
        const found = timesOf(cronTicks(pattern, zone), from, until);
        compare(`${zone} ${pattern}`, found, dailyTimes(minutes, hour, minute));
      }
    }
    for (const [pattern, isNamed] of WILD) {
      const named = minutes.slice(1).filter(({ hour, minute }) => isNamed(hour, minute));
      const found = timesOf(cronTicks(pattern, zone), from, until);
      compare(`${zone} ${pattern}`, found, named.map(({ at }) => at));
    }
  }
}
console.log(`${zones.length} zones, ${cases} cases, ${faults.length} faults`);
for (const fault of faults.slice(0, 20)) console.log(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
