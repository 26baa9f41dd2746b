/** A function whose name tells whether a bundler renames functions: `kept_name_too.ts` has the other. */
export function keptName(): void {}
