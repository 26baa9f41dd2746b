import { assert } from "@std/assert";
import { Random } from "../torture/random.ts";
import { test } from "../support/test.ts";
import { DECODERS, mutated, prototypeGuard, verdictOf } from "./decoders.ts";

/** Inputs for each decoder here; `tests/torture/decoders.ts` takes 300,000. */
const INPUTS = 2_000;

for (const [name, decoder] of Object.entries(DECODERS)) {
  test(`Decoding ${name} gives a value or a DecodeError for whatever was changed, and nothing else`, () => {
    const assertUntouched = prototypeGuard();
    const random = new Random(Date.now());
    const verdicts = { decoded: 0, refused: 0 };
    for (let i = 0; i < INPUTS; i++) {
      const data = mutated(decoder, random);
      try {
        verdicts[verdictOf(decoder, data)] += 1;
      } catch (error) {
        throw new Error(`${JSON.stringify(String.fromCharCode(...data))}`, { cause: error });
      }
    }
    assertUntouched();
    const hasErrors = name !== "a control record of a worker process";
    assert(verdicts.decoded > INPUTS / 100, `${verdicts.decoded} decoded`);
    assert(!hasErrors || verdicts.refused > INPUTS / 100, `${verdicts.refused} refused`);
  });
}
