import { createHash } from "node:crypto";

/** A Lua script, known to a server by the hash of its text. */
export class Script {
  /** What it does, for error texts: the end of "Cannot …". */
  readonly purpose: string;
  /** The script. */
  readonly text: string;
  /** What `EVALSHA` calls it by. */
  readonly sha: string;

  /**
   * Hashes a script.
   *
   * @param purpose What it does, for error texts.
   * @param text The script.
   */
  constructor(purpose: string, text: string) {
    this.purpose = purpose;
    this.text = text;
    this.sha = createHash("sha1").update(text).digest("hex");
  }
}
