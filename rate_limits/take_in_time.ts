/** Number of times it is tried again when a span has ended before the answer came. */
export const ATTEMPTS = 3;

/**
 * Takes a slot of the present span of time, and makes sure that it is still the present one
 * when the answer has come.
 *
 * The counter of a span lives, as Python has it, just as long as the span lasts. Whoever
 * counts a moment after its end may find it forgotten, and begin anew: then more could come in than
 * the limit allows: in a test hundreds of clients let in twice as many at the turn of a bucket.
 *
 * @param present Says which span is the present one.
 * @param take Takes a slot of a span.
 * @param giveBack Gives one back that came too late, where it would stand in the way of others.
 * @returns Whether there was one.
 */
export async function takeInTime(
  present: () => number,
  take: (span: number) => Promise<boolean>,
  giveBack?: (span: number) => Promise<unknown>,
): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const span = present();
    if (!await take(span)) return false;
    if (present() === span) return true;
    await giveBack?.(span);
  }
  return false;
}
