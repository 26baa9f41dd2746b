/** The result of an action, shown on the next page of the viewer. */
export interface Notice {
  readonly kind: "good" | "bad";
  readonly text: string;
}

const MAX_NOTICES = 200;

/**
 * Notices for the pages after actions. The address of the page contains only the id of its notice,
 * so that links cannot inject texts.
 */
export class Notices {
  readonly #all: Map<string, Notice> = new Map();

  /** Stores a notice. @returns Its id. */
  add(notice: Notice): string {
    const id = crypto.randomUUID().slice(0, 13);
    this.#all.set(id, notice);
    if (this.#all.size > MAX_NOTICES) this.#all.delete(this.#all.keys().next().value!);
    return id;
  }

  /** A stored notice. It is kept, since a page may be reloaded. */
  get(id: string | null): Notice | undefined {
    return id === null ? undefined : this.#all.get(id);
  }
}
