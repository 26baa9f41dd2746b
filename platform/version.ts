/** The version of this package; a test keeps it that of `deno.json`. */
export const VERSION = "0.1.0";
