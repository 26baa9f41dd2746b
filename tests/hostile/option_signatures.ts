/**
 * Lists the parameters of the exported functions, constructors and methods that take options, or an
 * `AbortSignal`, from the output of `deno doc --json`.
 *
 * @module
 */

import type { ApiDocs, Declaration, Member, Parameter, Type } from "../support/api_docs.ts";

/**
 * Lists the parameters that take options.
 *
 * @param docs The exports.
 * @returns Each with the function, constructor or method and its index: `new Retry 1`, `group() 1`,
 *   `Broker.join 1`.
 */
export function optionSignatures({ nodes }: ApiDocs): string[] {
  const exported = Object.values(nodes).flatMap(({ symbols }) => symbols);
  const bags = new Set(
    exported.filter(({ declarations }) => declarations.some(isBag)).map(({ name }) => name),
  );
  const found = new Set<string>();
  for (const { name, declarations } of exported) {
    for (const { kind, def = {} } of declarations) {
      const members: Member[] = [
        ...(kind === "function" ? [{ name: `${name}()`, params: def.params ?? [] }] : []),
        ...(def.constructors ?? []).map((one) => ({ ...one, name: `new ${name}` })),
        ...(def.methods ?? []).map((one) => ({ ...one, name: `${name}.${one.name}` })),
      ];
      for (const member of members.filter(isPublic)) {
        for (const [i, one] of (member.params ?? member.functionDef?.params ?? []).entries()) {
          if (takesOptions(one, bags)) found.add(`${member.name} ${i}`);
        }
      }
    }
  }
  return [...found].toSorted();
}

/**
 * Lists the options that are true or false, or an object of a certain class.
 *
 * @param docs The exports.
 * @param without Names of interfaces whose fields are left out.
 * @returns Their names.
 */
export function typedOptions({ nodes }: ApiDocs, without: readonly string[]): string[] {
  const fields = Object.values(nodes).flatMap(({ symbols }) => symbols)
    .filter(({ name }) => /Options$|Address$/.test(name) && !without.includes(name))
    .flatMap(({ declarations }) => declarations)
    .flatMap(({ kind, def }) => kind === "interface" ? def?.properties ?? [] : []);
  const isTyped = ({ tsType }: Member) =>
    /^(?:boolean|AbortSignal|Clock|Encoder)$/.test(tsType?.repr ?? "");
  return [
    ...new Set(fields.filter((one) => isPublic(one) && isTyped(one)).map(({ name }) => name!)),
  ]
    .toSorted();
}

/** True for an interface of fields, one of which may be left out. */
function isBag({ kind, def = {} }: Declaration): boolean {
  const { methods = [], callSignatures = [], properties = [] } = def;
  return kind === "interface" && methods.length === 0 && callSignatures.length === 0 &&
    properties.some(({ optional }) => optional);
}

function isPublic({ accessibility, jsDoc }: Member): boolean {
  return accessibility === undefined && !jsDoc?.tags?.some(({ kind }) => kind === "internal");
}

function takesOptions({ name, left, tsType }: Parameter, bags: ReadonlySet<string>): boolean {
  if (left !== undefined) return takesOptions(left, bags) || typesOf(tsType).some(isOptions);
  return name === "options" || typesOf(tsType).some(isOptions);

  function isOptions(type: string): boolean {
    return type.endsWith("Options") || type === "AbortSignal" || bags.has(type);
  }
}

/** Name of a type; those inside `Omit<…>` and the like, too. */
function typesOf(type: Type | undefined): string[] {
  if (type?.kind !== "typeRef" || type.value === undefined) return [];
  const { typeName = "", typeParams = [] } = type.value;
  const inner = /^(?:Omit|Partial|Pick|Readonly|Required)$/.test(typeName) ? typeParams : [];
  return [typeName, ...inner.flatMap(typesOf)];
}
