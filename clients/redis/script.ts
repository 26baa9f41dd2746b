import { hexDigest } from "../../platform/digest.ts";

/** A Lua script, known to a server by the hash of its text. */
export class Script {
  /** Purpose, for error texts: the end of "Cannot …". */
  readonly purpose: string;
  /** The script. */
  readonly text: string;
  #sha: string | undefined;

  /**
   * Stores the text; its digest is computed on first use.
   *
   * @param purpose Purpose, for error texts: the end of "Cannot …".
   * @param text The script.
   */
  constructor(purpose: string, text: string) {
    this.purpose = purpose;
    this.text = text;
  }

  /** SHA-1 digest for `EVALSHA`. */
  get sha(): string {
    this.#sha ??= hexDigest("sha1", this.text);
    return this.#sha;
  }
}
