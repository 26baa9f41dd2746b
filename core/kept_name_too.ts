/** As the one of `kept_name.ts`: in one scope, one of two equal names has to go. */
export function keptName(): void {}
