import { until } from "../../support/servers/until.ts";

/** So many looks in a row see the same count when nothing is going on. */
const LOOKS_AT_REST = 3;

/**
 * Waits until nothing is going on, so that what comes late does not come unseen.
 *
 * @param countOf Counts what the brokers have said so far.
 */
export async function untilAtRest(countOf: () => Promise<number>): Promise<void> {
  let [count, looks] = [NaN, 0];
  const isAtRest = async () => {
    const last = count;
    count = await countOf();
    looks = count === last ? looks + 1 : 0;
    return looks === LOOKS_AT_REST;
  };
  await until(isAtRest, { what: "see the brokers at rest" });
}
