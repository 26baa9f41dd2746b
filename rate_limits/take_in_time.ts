/** Number of attempts if the period ends before the answer arrives. */
export const ATTEMPTS = 3;

/**
 * Takes a slot of the present period, and makes sure that the period is not over when the answer arrives.
 *
 * As in Python, the counter of a period expires with the period. A caller that counts just after its end
 * may find no counter, and start a new one, so that more callers pass than the limit allows: in a test
 * with hundreds of clients, twice as many passed at the end of a bucket.
 *
 * @param present Returns the number of the present period.
 * @param take Takes a slot of a period.
 * @param giveBack Releases a slot that came too late, if it would block others.
 * @returns Whether a slot was taken.
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
