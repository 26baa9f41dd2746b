import { errorMessage } from "./thrown.ts";

/**
 * What to throw when a package cannot be loaded that only those need who use it.
 *
 * @param purpose What for: the end of "Cannot …".
 * @param packageName The package to add.
 * @param cause What importing it threw.
 */
export function missingPackage(purpose: string, packageName: string, cause: unknown): TypeError {
  return new TypeError(
    `Cannot ${purpose}: the package "${packageName}" cannot be loaded; add it to your project: ${
      errorMessage(cause)
    }`,
    { cause },
  );
}
