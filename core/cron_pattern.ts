/** One of the five fields of a cron pattern. */
interface Field {
  readonly what: string;
  readonly first: number;
  readonly last: number;
  /** Names of its values, the first one first. */
  readonly names?: readonly string[];
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const FIELDS: readonly Field[] = [
  { what: "minute", first: 0, last: 59 },
  { what: "hour", first: 0, last: 23 },
  { what: "day of the month", first: 1, last: 31 },
  { what: "month", first: 1, last: 12, names: MONTHS },
  { what: "day of the week", first: 0, last: 7, names: WEEKDAYS },
];
const NICKNAMES: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
/** Days of the months, that of February in a leap year. */
const LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const PART = /^([^/#-]+)(?:-([^/#-]+))?(?:\/(.+))?$/;

/**
 * Checks a cron pattern, and normalizes it: five fields, numbers, upper case.
 *
 * @param pattern Five fields, or a nickname such as `@daily`.
 * @returns The pattern for the library that computes its times.
 * @throws {TypeError} If it has another number of fields, or a field cannot be read. The text tells
 *   which, without a beginning.
 * @throws {RangeError} If a value is out of range, or the pattern never comes true.
 */
export function checkCronPattern(pattern: string): string {
  const text = NICKNAMES[pattern.trim().toLowerCase()] ?? pattern.trim();
  if (text.startsWith("@")) {
    const known = Object.keys(NICKNAMES).join(", ");
    throw new TypeError(`it has no nickname ${text}; the nicknames are ${known}`);
  }
  const parts = text.split(/\s+/);
  if (parts.length !== FIELDS.length) {
    const advice = parts.length === 6 || parts.length === 7 ? "; for seconds use every" : "";
    throw new TypeError(
      `it has ${
        text === "" ? 0 : parts.length
      } fields, not five (minute, hour, day of the month, ` +
        `month, day of the week)${advice}`,
    );
  }
  const fields = parts.map((part, i) => part.split(",").map((one) => readPart(FIELDS[i]!, one)));
  assertComesTrue(fields, parts);
  return fields.map((field) => field.map(({ text }) => text).join()).join(" ");
}

/** One part of the list that a field is. */
interface Part {
  readonly text: string;
  readonly values: readonly number[];
}

function readPart(field: Field, part: string): Part {
  const special = readSpecial(field, part.toUpperCase());
  if (special !== undefined) return special;
  const [, from = "", to, step] = PART.exec(part) ?? [];
  if (from === "" || (from === "*" && to !== undefined)) throw unreadable(field, part);
  const isAll = from === "*";
  const first = isAll ? field.first : readValue(field, from, part);
  const last = isAll
    ? field.last
    : to === undefined
    ? first
    : readEnd(field, readValue(field, to, part));
  if (first > last) {
    throw new RangeError(`its ${field.what} ${part} ends before it begins`);
  }
  const by = step === undefined ? 1 : readStep(field, step, part);
  if (step !== undefined && !isAll && to === undefined) {
    throw new TypeError(
      `its ${field.what} ${part} has a step but no range: write ${from}-…/${step}`,
    );
  }
  const values: number[] = [];
  for (let value = first; value <= last; value += by) values.push(value);
  const range = isAll ? "*" : to === undefined ? `${first}` : `${first}-${last}`;
  return { text: step === undefined ? range : `${range}/${by}`, values };
}

/** The last day of a month, and weekdays counted in a month. */
function readSpecial(field: Field, part: string): Part | undefined {
  const { what } = field;
  if (what === "day of the month" && part === "L") return { text: "L", values: [28] };
  if (what !== "day of the week") return undefined;
  const [, day, which = ""] = /^([^#]+)#(.+)$/.exec(part) ?? [];
  if (day === undefined) return undefined;
  const value = readValue(field, day, part) % 7;
  if (!/^[1-5L]$/.test(which)) {
    throw new RangeError(`its ${what} ${part} must have 1 to 5, or L for the last, after the #`);
  }
  return { text: `${value}#${which}`, values: [value] };
}

function readValue(field: Field, text: string, part: string): number {
  const { what, first, last, names = [] } = field;
  const index = names.indexOf(text.toUpperCase());
  if (index !== -1) return first + index;
  if (!/^\d{1,9}$/.test(text)) throw unreadable(field, part);
  const value = Number(text);
  if (value < first || value > last) {
    throw new RangeError(`its ${what} ${value} is not between ${first} and ${last}`);
  }
  return value;
}

/** At the end of a range, Sunday is day 7. */
function readEnd({ what }: Field, value: number): number {
  return what === "day of the week" && value === 0 ? 7 : value;
}

function readStep(field: Field, text: string, part: string): number {
  if (!/^\d{1,9}$/.test(text)) throw unreadable(field, part);
  const step = Number(text);
  const longest = field.last === 7 ? 7 : field.last - field.first + 1;
  if (step < 1 || step > longest) {
    throw new RangeError(
      `its ${field.what} ${part} has a step that is not between 1 and ${longest}`,
    );
  }
  return step;
}

function unreadable({ what, names }: Field, part: string): TypeError {
  const example = names === undefined ? "" : ` or ${names[0]}`;
  return new TypeError(
    `its ${what} ${JSON.stringify(part)} cannot be read: it must be a number${example}, a range, ` +
      "*, a step, or a list of them",
  );
}

/** A day that no month has would be looked for to the end of all calendars. */
function assertComesTrue(fields: readonly Part[][], parts: readonly string[]): void {
  if (!parts[4]!.startsWith("*")) return; // then weekdays do as well
  const valuesOf = (i: number) => fields[i]!.flatMap(({ values }) => values);
  const days = valuesOf(2);
  if (valuesOf(3).some((month) => days.some((day) => day <= LENGTHS[month - 1]!))) return;
  throw new RangeError(`it never occurs: no month ${parts[3]} has a day ${parts[2]}`);
}
