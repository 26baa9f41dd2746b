import { keptName } from "./kept_name.ts";
import { keptName as keptNameToo } from "./kept_name_too.ts";

/**
 * The name of an actor that its author did not name: that of its function or class.
 *
 * A bundler that renames functions would give it another name with each build, and the messages that
 * are on their way would find no actor. So there it must be named.
 *
 * @param declared The function, or the class.
 * @returns Its name; empty for an anonymous one.
 * @throws {TypeError} If this library is in a bundle that renames functions.
 */
export function actorNameOf(declared: { readonly name: string }): string {
  if (keptName.name === "keptName" && keptNameToo.name === "keptName") return declared.name;
  throw new TypeError(
    "Cannot name the actor by its function: this bundle renames functions; set actorName, or bundle " +
      "with esbuild's --keep-names",
  );
}
