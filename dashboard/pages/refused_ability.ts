import { html } from "hono/html";
import type { Context } from "../context.ts";
import { empty } from "../html/table.ts";
import { type Content, text } from "../html/text.ts";
import type { Ability } from "../../core/inspection.ts";

/**
 * Content for an ability that the broker lacks, with the reason; `undefined` if it has the ability.
 */
export function refusedAbility(
  { board: { inspector } }: Context,
  ability: Ability,
): { readonly body: Content; readonly json: { readonly unsupported: string } } | undefined {
  if (inspector.abilities.has(ability)) return undefined;
  const reason = inspector.whyNot(ability) ?? "The broker cannot do this";
  return { body: empty(html`${text(reason, 1_000)}.`), json: { unsupported: reason } };
}
