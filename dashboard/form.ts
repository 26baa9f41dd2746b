/** Bytes of a form. */
const MAX_BYTES = 65_536;

/** A form that was sent: its fields, decoded as `hidden` encodes them, or as they were typed. */
export class SentForm {
  readonly #params: URLSearchParams;

  private constructor(params: URLSearchParams) {
    this.#params = params;
  }

  /**
   * Reads the body of a request.
   *
   * @returns The form; `undefined` if it is too long.
   */
  static async read(request: Request): Promise<SentForm | undefined> {
    if (Number(request.headers.get("content-length") ?? 0) > MAX_BYTES) return undefined;
    const decoder = new TextDecoder();
    let body = "";
    let length = 0;
    for await (const part of request.body ?? []) {
      length += part.length;
      if (length > MAX_BYTES) return undefined;
      body += decoder.decode(part, { stream: true });
    }
    return new SentForm(new URLSearchParams(body + decoder.decode()));
  }

  /** A field that somebody typed; `undefined` if it is empty. */
  typed(name: string): string | undefined {
    return this.#params.get(name)?.trim() || undefined;
  }

  /** A hidden field; `undefined` if it is missing, empty or damaged. */
  hidden(name: string): string | undefined {
    try {
      return decodeURIComponent(this.#params.get(name) ?? "") || undefined;
    } catch {
      return undefined;
    }
  }

  /** The values of a field that may be there several times. */
  all(name: string): string[] {
    return this.#params.getAll(name);
  }
}
