import { assertEquals, assertThrows } from "@std/assert";
import { actor, StubBroker } from "@dq/dramatiq";
import { toCamelCase } from "../support/recorder.ts";
import { test } from "../support/test.ts";
import vectors from "../vectors/retries.json" with { type: "json" };

interface OptionValue {
  readonly option_name: string;
  readonly given: string;
  readonly option?: unknown;
  readonly raises?: string;
}

const asTheOthers = "it is treated as the other two, so that the message can be encoded";

/** Values of which something else becomes here, why, and what. */
const DIFFERENCES: Record<string, { reason: string; ours: Partial<OptionValue> }> = {
  "on_retry_exhausted actor object": { reason: asTheOthers, ours: { option: "a2" } },
  "on_retry_exhausted number": { reason: asTheOthers, ours: { raises: "TypeError" } },
};

for (const captured of vectors.callback_option_values as readonly OptionValue[]) {
  const { option_name, given } = captured;
  const difference = DIFFERENCES[`${option_name} ${given}`];
  const note = difference === undefined ? "as in Python" : `differently: ${difference.reason}`;
  const name = toCamelCase(option_name);

  test(`Actor.messageWithOptions takes as ${name} the value "${given}" ${note}`, () => {
    const broker = new StubBroker();
    const a1 = actor(function a1() {}, { broker });
    const a2 = actor(function a2() {}, { broker });
    const values: Record<string, unknown> = {
      "actor object": a2,
      name: "a2",
      none: null,
      number: 3,
    };
    const expected = difference?.ours ?? captured;
    const make = () => a1.messageWithOptions({ [name]: values[given] });
    if (expected.raises !== undefined) {
      assertEquals(assertThrows(make, Error, name).name, expected.raises);
    } else {
      assertEquals(make().asDict().options, { [option_name]: expected.option });
    }
  });
}
