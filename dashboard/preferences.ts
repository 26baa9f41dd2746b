/** Preferences of a browser, stored in a cookie. */
export interface Preferences {
  readonly theme: "system" | "light" | "dark";
  readonly zone: "utc" | "local";
  /** Keyboard shortcuts of single keys. */
  readonly keys: "on" | "off";
}

const COOKIE = "dramatiq_view";
const CHOICES: { readonly [Name in keyof Preferences]: readonly Preferences[Name][] } = {
  theme: ["system", "light", "dark"],
  zone: ["utc", "local"],
  keys: ["on", "off"],
};
/** Seconds: a year. */
const MAX_AGE = 31_536_000;

/** Valid values of a preference, the default first. */
export function choicesOf(name: keyof Preferences): readonly string[] {
  return CHOICES[name];
}

/** Reads the preferences of a request. */
export function preferencesOf(request: Request): Preferences {
  const cookies = request.headers.get("cookie") ?? "";
  const [, value = ""] = new RegExp(`(?:^|;\\s*)${COOKIE}=([\\w.]*)`).exec(cookies) ?? [];
  const [theme, zone, keys] = value.split(".");
  return choose({ theme, zone, keys });
}

/** Replaces invalid values with the default. */
export function choose(
  given: Readonly<Partial<Record<keyof Preferences, string | undefined>>>,
): Preferences {
  const pick = <T extends string>(choices: readonly T[], value: string | undefined): T =>
    choices.find((one) => one === value) ?? choices[0]!;
  return {
    theme: pick(CHOICES.theme, given.theme),
    zone: pick(CHOICES.zone, given.zone),
    keys: pick(CHOICES.keys, given.keys),
  };
}

/** Value of the `set-cookie` header. */
export function cookieOf({ theme, zone, keys }: Preferences): string {
  return `${COOKIE}=${theme}.${zone}.${keys}; Path=/; Max-Age=${MAX_AGE}; SameSite=Lax; HttpOnly`;
}
