import { assert, assertEquals, assertRejects } from "@std/assert";
import { DecodeError, ResultFailure, ResultMissing } from "@dq/dramatiq";
import { type Gotten, type StoredValue, valueOf } from "./captures.ts";

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
      return void await assertRejects(() => result, DecodeError, "names none");
    default:
      assert(false, `nobody knows what ${gotten.raises} is here`);
  }
}
