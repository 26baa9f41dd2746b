/**
 * Static files of the pages, as strings: a package on JSR cannot read its files.
 *
 * @module
 */
import { ICON } from "./icon.ts";
import { IDIOMORPH } from "./idiomorph.ts";
import { SCRIPT } from "./script.ts";
import { STYLE } from "./style.ts";

/** A file of the dashboard. */
export interface Asset {
  /** File name with a hash of the content. */
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

/** The files by their role. */
export type Assets = Readonly<Record<"style" | "script" | "idiomorph" | "icon", Asset>>;

let assets: Assets | undefined;

/** All files, hashed at first use. */
export function allAssets(): Assets {
  assets ??= {
    style: asset("style", "css", "text/css; charset=utf-8", STYLE),
    script: asset("script", "js", "text/javascript; charset=utf-8", SCRIPT),
    idiomorph: asset("idiomorph", "js", "text/javascript; charset=utf-8", IDIOMORPH),
    icon: asset("icon", "svg", "image/svg+xml", ICON),
  };
  return assets;
}

/** The response to a request for a file; `undefined` if the name is unknown. */
export function serveAsset(name: string): Response | undefined {
  const found = Object.values(allAssets()).find((one) => one.name === name);
  if (found === undefined) return undefined;
  return new Response(found.text, {
    headers: {
      "content-type": found.type,
      "cache-control": "public, max-age=31536000, immutable",
    },
  });
}

function asset(name: string, ending: string, type: string, text: string): Asset {
  return { name: `${name}.${hash(text)}.${ending}`, type, text };
}

/** FNV-1a. Not for security: it only has to differ between versions. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return (value >>> 0).toString(16).padStart(8, "0");
}
