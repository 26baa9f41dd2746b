import { DramatiqError } from "./errors.ts";
import type { Ability } from "./inspection.ts";

/** An inspector cannot do what it was asked, because of its broker or of how that is set up. */
export class NotSupported extends DramatiqError {
  static {
    this.prototype.name = "NotSupported";
  }

  /** Missing ability. */
  readonly ability: Ability;

  /**
   * Stores the ability.
   *
   * @param ability Missing ability.
   * @param message The reason, for people.
   */
  constructor(ability: Ability, message: string) {
    super(message);
    this.ability = ability;
  }
}
