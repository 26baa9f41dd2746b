/** Maximum of bytes of a form. */
const MAX_BYTES = 65_536;

/** A form that cannot be read, for the response. */
export interface UnreadableForm {
  readonly status: 400 | 413;
  readonly reason: string;
}

const TOO_LONG: UnreadableForm = { status: 413, reason: "The form is too long" };
/** The body was consumed before, for example by `express.urlencoded()`. */
const ALREADY_READ: UnreadableForm = {
  status: 400,
  reason: "The fields of the form were read by the server before: " +
    "mount the dashboard before what parses the bodies of requests",
};

/** A submitted form. Hidden fields are encoded twice, see `hidden` in `html/forms.ts`. */
export class SentForm {
  readonly #params: URLSearchParams;

  private constructor(params: URLSearchParams) {
    this.#params = params;
  }

  /**
   * Reads the body of a request.
   *
   * @returns The form, or the reason why it cannot be read.
   */
  static async read(request: Request): Promise<SentForm | UnreadableForm> {
    const announced = Number(request.headers.get("content-length") ?? 0);
    if (announced > MAX_BYTES) return TOO_LONG;
    const decoder = new TextDecoder();
    let body = "";
    let length = 0;
    for await (const part of request.body ?? []) {
      length += part.length;
      if (length > MAX_BYTES) return TOO_LONG;
      body += decoder.decode(part, { stream: true });
    }
    if (length === 0 && announced > 0) return ALREADY_READ;
    return new SentForm(new URLSearchParams(body + decoder.decode()));
  }

  /** An input field; `undefined` if it is empty. */
  typed(name: string): string | undefined {
    return this.#params.get(name)?.trim() || undefined;
  }

  /** A hidden field; `undefined` if it is missing, empty or invalid. */
  hidden(name: string): string | undefined {
    try {
      return decodeURIComponent(this.#params.get(name) ?? "") || undefined;
    } catch {
      return undefined;
    }
  }

  /** All values of a field that may occur several times. */
  all(name: string): string[] {
    return this.#params.getAll(name);
  }
}
