import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DecodeError, PickleEncoder, ResultFailure, ResultMissing } from "@dq/dramatiq";
import { type Gotten, NOT_MADE_HERE, type StoredValue, valueOf } from "./captures.ts";

/** Makes sure that a result is what Python got, or that it fails as Python failed. */
export async function assertGotten(
  result: Promise<unknown>,
  gotten: Gotten,
  encoder: StoredValue["encoder"] = "json",
): Promise<void> {
  switch (gotten.raises) {
    case undefined:
      return assertEquals(await result, valueOf(gotten.value, encoder));
    case "ResultFailure": {
      const failure = await assertRejects(() => result, ResultFailure);
      assertEquals(failure.message, gotten.message);
      assertEquals(failure.origExcType, gotten.orig_exc_type);
      return assertEquals(failure.origExcMsg, gotten.orig_exc_msg);
    }
    case "ResultMissing":
      return void await assertRejects(() => result, ResultMissing);
    case "KeyError": // a failure that names none
      return void await assertRejects(() => result, DecodeError, "names no error");
    default:
      assert(false, `no class is known for ${gotten.raises}`);
  }
}

/** Makes sure that a value was stored as in Python: JSON in the same bytes, pickles with the same value. */
export function assertStored(
  { encoder, label }: StoredValue,
  stored: Uint8Array,
  inPython: Uint8Array,
): void {
  if (encoder === "pickle") {
    const pickle = new PickleEncoder();
    return assertEquals(pickle.decode(stored), pickle.decode(inPython));
  }
  const isSame = Buffer.compare(stored, inPython) === 0;
  assertEquals(isSame, !NOT_MADE_HERE.has(label), String(stored));
}
