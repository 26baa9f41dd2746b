import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Content of the folder, and the output of `wc -lwc` for it. */
export const FILES: Record<
  string,
  { content: string | Uint8Array; counts?: [number, number, number] }
> = {
  "ascii.txt": { content: "one two\n\tthree  Two\n", counts: [2, 4, 20] },
  "crlf.txt": { content: "one\r\ntwo three\r\n", counts: [2, 3, 16] },
  "deep/er/unicode.txt": { content: "Éé ÉÉ\u3000中文 —\u00a0🙂\n", counts: [1, 5, 29] },
  "empty.txt": { content: "", counts: [0, 0, 0] },
  "late_nul.txt": { content: `${"x ".repeat(4_096)}\0\n`, counts: [1, 4_096, 8_194] },
  "latin1.txt": { content: Uint8Array.of(0x63, 0xe9, 0x20, 0x64), counts: [0, 2, 4] },
  "no_line_break.txt": { content: "two two", counts: [0, 2, 7] },
  "binary.bin": { content: "PK\0one two\n" },
  ".git/config": { content: "left out\n" },
  "node_modules/one/index.js": { content: "left out\n" },
};
/** The text files among them. */
export const TEXTS = Object.entries(FILES).filter(([, { counts }]) => counts !== undefined);

/** Makes a folder with some files, which is removed when it is disposed of. */
export async function makeFolder(files: Record<string, { content: string | Uint8Array }>) {
  const path = await mkdtemp(join(tmpdir(), "demo-"));
  await Promise.all(
    Object.entries(files).map(async ([name, { content }]) => {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), content);
    }),
  );
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
