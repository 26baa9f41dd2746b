/** Arguments of a message: its number, and text that makes it as large as was asked for. */
export type MessageArguments = [index: number, padding?: string];

/**
 * Makes the arguments of messages.
 *
 * @param size Bytes of the text; without, a message has its number only.
 * @returns Gives the arguments of the message with a number.
 */
export function argumentMaker(size?: number): (index: number) => MessageArguments {
  if (size === undefined) return (index) => [index];
  const padding = "x".repeat(size);
  return (index) => [index, padding];
}
