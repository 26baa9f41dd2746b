import { BASE, type Scenario } from "./capture.ts";
import type { Dump, DumpedKey, ScoredMember } from "./dump.ts";

const UUID = String.raw`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`;
const TIME = String.raw`\d{13}(?:\.\d+)?`;
/** Some text, then a line's end. Python's begin with a line that ours lack. */
const TRACEBACK = String.raw`"(?:[^"\\]|\\.)+\\n"`;

const EVERY_UUID = new RegExp(UUID, "g");
const WHOLE_UUID = new RegExp(`^${UUID}$`);
const EVERY_TIME = new RegExp(`(?<=[:,[])${TIME}(?=[,}\\]])`, "g");
const EVERY_TRACEBACK = new RegExp(`(?<="traceback":)${TRACEBACK}`, "g");
const WHOLE_TRACEBACK = new RegExp(`^${TRACEBACK}$`);
const PLACEHOLDER = /(<(?:rid|msg|broker):\d+>|<ts[^>]*>|"<traceback>")/;

/** Which values the placeholders of one scenario stand for, here and now. */
export class Notation {
  readonly #messages: Scenario["messages"];
  /** Time at which the clock of the scenario stood first; without one all times are alike. */
  readonly #base: number | undefined;
  readonly #values: Map<string, string> = new Map();
  readonly #names: Map<string, string> = new Map();

  /**
   * Knows no value yet.
   *
   * @param scenario Whose placeholders these are.
   */
  constructor({ messages, kind }: Pick<Scenario, "messages" | "kind">) {
    this.#messages = messages;
    this.#base = kind === "stepped" ? BASE : undefined;
  }

  /**
   * Notes what a placeholder stands for.
   *
   * @throws {TypeError} If it stands for something else, or something else for it.
   */
  bind(name: string, value: string): void {
    if (!this.#agrees(name, value)) {
      throw new TypeError(`Cannot take ${value} for ${name}: that has another value, or name`);
    }
    this.#values.set(name, value);
    this.#names.set(value, name);
  }

  /** The value of an id's or time's placeholder; an id that is not known yet is made up. */
  valueOf(name: string): string {
    if (name.startsWith("<ts")) {
      return `${this.#base === undefined ? Date.now() : this.#base + Number(name.slice(4, -1))}`;
    }
    const value = this.#values.get(name) ?? crypto.randomUUID();
    this.bind(name, value);
    return value;
  }

  /** A dump of the capture with values in place of placeholders. */
  toValues(dump: Dump): Dump {
    return mapDump(
      dump,
      (text) => text.split(PLACEHOLDER).map((part) => this.#toValue(part)).join(""),
      (score) => Number(this.valueOf(`${score}`)),
    );
  }

  /**
   * A database in the form of the capture. Ids that were not known are found out by the
   * texts of their messages.
   */
  toPlaceholders(dump: Dump): Dump {
    for (const [name, key] of Object.entries(dump)) {
      if (key.type !== "hash" || !name.endsWith(".msgs")) continue;
      for (const [id, text] of Object.entries(key.value)) this.#identify(id, text);
    }
    return mapDump(dump, (text) => this.#abstract(text), (score) => this.#nameTime(Number(score)));
  }

  /** Result of a call in the form of the capture. */
  toReturned(value: unknown): unknown {
    if (value === undefined) return null;
    if (typeof value === "string") return this.#abstract(value);
    if (typeof value === "number") return value < 1e12 ? value : this.#nameTime(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((item) => this.toReturned(item));
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const isTraceback = name === "traceback" && WHOLE_TRACEBACK.test(JSON.stringify(item));
        return [name, isTraceback ? "<traceback>" : this.toReturned(item)];
      }),
    );
  }

  #toValue(part: string): string {
    if (!PLACEHOLDER.test(part)) return part;
    return part === '"<traceback>"'
      ? '"Traceback (most recent call last):\\n"'
      : this.valueOf(part);
  }

  #abstract(text: string): string {
    return text.replaceAll(EVERY_UUID, (id) => this.#names.get(id) ?? id)
      .replaceAll(EVERY_TRACEBACK, '"<traceback>"')
      .replaceAll(EVERY_TIME, (time) => this.#nameTime(Number(time)));
  }

  #nameTime(time: number): string {
    return this.#base === undefined ? "<ts>" : `<ts+${time - this.#base}>`;
  }

  /**
   * Finds out which message of the capture this is, if it is one. The capture counts
   * in the order of enqueueing: of several that read alike the first is the next to come.
   */
  #identify(id: string, text: string): void {
    if (this.#names.has(id) || !WHOLE_UUID.test(id)) return;
    const readings = Object.entries(this.#messages).flatMap(([name, message]) => {
      const ids = this.#values.has(name) ? undefined : this.#read(text, message.text);
      return ids?.get(name) === id ? [ids] : [];
    });
    for (const [name, value] of readings[0] ?? []) this.bind(name, value);
  }

  /** The ids in a text that reads like a template, unless they are known otherwise. */
  #read(text: string, template: string): Map<string, string> | undefined {
    const names: string[] = [];
    const pattern = template.split(PLACEHOLDER).map((part) => {
      if (!PLACEHOLDER.test(part)) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
      if (part === '"<traceback>"') return TRACEBACK;
      if (part.startsWith("<ts")) return TIME;
      names.push(part);
      return `(${UUID})`;
    });
    const found = new RegExp(`^${pattern.join("")}$`).exec(text);
    if (found === null) return undefined;
    const ids = names.map((name, i) => [name, found[i + 1]!] as const);
    return ids.every(([name, id]) => this.#agrees(name, id)) ? new Map(ids) : undefined;
  }

  #agrees(name: string, value: string): boolean {
    return (this.#values.get(name) ?? value) === value && (this.#names.get(value) ?? name) === name;
  }
}

type OnText = (text: string) => string;
type OnScore = (score: ScoredMember["score"]) => ScoredMember["score"];

function mapDump(dump: Dump, onText: OnText, onScore: OnScore): Dump {
  return Object.fromEntries(
    Object.entries(dump).map(([name, key]) => [onText(name), mapKey(key, onText, onScore)]),
  );
}

function mapKey(key: DumpedKey, onText: OnText, onScore: OnScore): DumpedKey {
  switch (key.type) {
    case "zset":
      return {
        ...key,
        value: key.value.map((one) => ({ member: onText(one.member), score: onScore(one.score) })),
      };
    case "hash":
      return {
        ...key,
        value: Object.fromEntries(
          Object.entries(key.value).map(([field, text]) => [onText(field), onText(text)]),
        ),
      };
    default:
      return { ...key, value: key.value.map(onText) };
  }
}
