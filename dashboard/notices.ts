/** A text for the next page of somebody: what an action has done. */
export interface Notice {
  readonly kind: "good" | "bad";
  readonly text: string;
}

const MAX_NOTICES = 200;

/**
 * Texts for the pages that actions lead to. A link carries only the id of one, so that nobody can
 * make up a text.
 */
export class Notices {
  readonly #all: Map<string, Notice> = new Map();

  /** Keeps a text. @returns Its id. */
  add(notice: Notice): string {
    const id = crypto.randomUUID().slice(0, 13);
    this.#all.set(id, notice);
    if (this.#all.size > MAX_NOTICES) this.#all.delete(this.#all.keys().next().value!);
    return id;
  }

  /** A text that was kept. It stays: a page may be loaded again. */
  get(id: string | null): Notice | undefined {
    return id === null ? undefined : this.#all.get(id);
  }
}
