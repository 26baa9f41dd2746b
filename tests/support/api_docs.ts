/**
 * The output of `deno doc --json` for the exports of a package, and a check of its comments.
 *
 * @module
 */

/** A doc comment. */
interface DocComment {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string; readonly name?: string }[];
}

/** A type. */
export interface Type {
  readonly kind: string;
  readonly repr?: string;
  readonly value?: { readonly typeName?: string; readonly typeParams?: readonly Type[] };
}

/** A parameter: of a rest parameter or one with a default, the name is further inside. */
export interface Parameter {
  readonly kind: string;
  readonly name?: string;
  readonly arg?: Parameter;
  readonly left?: Parameter;
  readonly tsType?: Type;
}

/** A function, a constructor, or a member of a class or an interface. */
export interface Member {
  readonly name?: string;
  readonly optional?: boolean;
  readonly tsType?: Type;
  readonly accessibility?: string;
  readonly jsDoc?: DocComment;
  readonly params?: readonly Parameter[];
  readonly functionDef?: { readonly params?: readonly Parameter[] };
}

/** A declaration of an export. */
export interface Declaration {
  readonly kind: string;
  readonly jsDoc?: DocComment;
  readonly def?: {
    readonly params?: readonly Parameter[];
    readonly constructors?: readonly Member[];
    readonly properties?: readonly Member[];
    readonly methods?: readonly Member[];
    readonly callSignatures?: readonly Member[];
  };
}

/** Output of `deno doc --json`. */
export interface ApiDocs {
  readonly nodes: Readonly<
    Record<
      string,
      {
        readonly symbols: readonly {
          readonly name: string;
          readonly declarations: readonly Declaration[];
        }[];
      }
    >
  >;
}

/** Parameters that explain themselves wherever they are: all are documented with their type. */
const SELF_EXPLAINING = /^(?:_.*|options|signal)$/;

/** Lists what lacks a doc comment, or has one that does not fit its parameters. */
export function faultsOf({ nodes }: ApiDocs): string[] {
  const faults: string[] = [];
  for (const { symbols } of Object.values(nodes)) {
    for (const { name, declarations } of symbols) {
      const own = declarations.filter(({ kind }) => kind !== "reference"); // shown at its own place
      const members: Member[] = own.map(({ jsDoc, def }) => ({
        name: "",
        ...(jsDoc && { jsDoc }),
        ...(def?.params && { params: def.params }),
      }));
      for (const { def } of own) {
        members.push(
          ...(def?.constructors ?? []).map((one) => ({ ...one, name: "constructor" })),
          ...(def?.properties ?? []),
          ...(def?.methods ?? []),
        );
      }
      faults.push(...faultsOfMembers(name, members));
    }
  }
  return [...new Set(faults)].toSorted();
}

/** Overloads share one doc comment. */
function faultsOfMembers(owner: string, members: readonly Member[]): string[] {
  const faults: string[] = [];
  const visible = members.filter(({ accessibility }) => accessibility !== "private");
  for (const [name, overloads] of Map.groupBy(visible, ({ name }) => name)) {
    const what = name ? `${owner}.${name}` : owner;
    const isDocumented = ({ jsDoc }: Member) => jsDoc?.doc !== undefined || !!jsDoc?.tags?.length;
    if (!overloads.some(isDocumented)) faults.push(`${what} has no doc comment`);
    for (const { jsDoc, params, functionDef } of overloads) {
      // Properties have none, though one may be a function.
      const parameters = params ?? functionDef?.params;
      if (parameters !== undefined) faults.push(...faultsOfParameters(what, jsDoc, parameters));
    }
  }
  return faults;
}

/** Documented parameters exist, and where some are documented, the others are, too. */
function faultsOfParameters(
  what: string,
  { tags = [] }: DocComment = {},
  parameters: readonly Parameter[],
): string[] {
  const names = parameters.map(nameOf);
  if (names.includes(undefined)) return []; // taken apart: tags name the whole
  const documented = tags.filter(({ kind }) => kind === "param").map(({ name }) => name);
  if (documented.length === 0) return [];
  const missing = names.filter((name) =>
    !documented.includes(name) && !SELF_EXPLAINING.test(name!)
  );
  const strange = documented.filter((name) => !names.includes(name));
  return [
    ...missing.map((name) => `${what} does not document its parameter ${name}`),
    ...strange.map((name) => `${what} documents ${name}, which is none of its parameters`),
  ];
}

function nameOf(parameter: Parameter): string | undefined {
  const { kind, name, arg, left } = parameter;
  const inner = kind === "rest" ? arg : kind === "assign" ? left : undefined;
  return inner === undefined ? name : nameOf(inner);
}
