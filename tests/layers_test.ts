/**
 * The shape of `src/`, checked: imports go down only, never around, and the
 * pure files never reach for the world.
 *
 * @module
 */

/** The layers, lowest first; folders on one line do not import each other. */
const LAYERS: string[][] = [
  [
    "clock.ts",
    "errors.ts",
    "task_group.ts",
    "turns.ts",
    "version.ts",
    "std.d.ts",
  ],
  ["bytes"],
  ["metainfo"],
  ["wire"],
  ["policy"],
  ["storage", "net"],
  ["tracker", "dht", "lsd"],
  ["peer"],
  ["torrent"],
  ["mod.ts"],
  ["cli"],
];

/** Layers, and files of other layers, that touch no socket, file or clock. */
const PURE = [
  /^(bytes|metainfo|wire|policy)\//,
  /^dht\/(?!dht_node|dht_client|dht_upkeep|dht_announcer|krpc_exchange)/,
  /^storage\/places\.ts$/,
  /^lsd\/(announcement|local_swarms)\.ts$/,
  /^torrent\/metadata(_\w+)?\.ts$/,
  /^torrent\/web_seed_run\.ts$/,
  /^cli\/(args|create_args|help|options|show|text|values)\.ts$/,
];

const IMPURE =
  /\bDeno\.|\bfetch\(|\bsetTimeout\(|\bsetInterval\(|\bDate\.now\(|\bperformance\.now\(|\bMath\.random\(|\bgetRandomValues\(/;

/** What ends the program, sleeps or prints belongs to one place each. */
const FORBIDDEN: [pattern: RegExp, where: RegExp][] = [
  [/\bDeno\.exit\(/, /^$/],
  [/\bsetTimeout\(/, /^$/],
  [/\bconsole\./, /^$/],
];

const SRC = new URL("../src/", import.meta.url);

interface SourceFile {
  name: string;
  text: string;
  imports: string[];
}

async function* sourceFiles(folder: URL): AsyncGenerator<SourceFile> {
  for await (const entry of Deno.readDir(folder)) {
    const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), folder);
    if (entry.isDirectory) {
      yield* sourceFiles(url);
    } else if (entry.name.endsWith(".ts")) {
      const text = await Deno.readTextFile(url);
      const imports = [
        ...text.matchAll(/^(?:import|export)\b[^;]*?"(\.[^"]+)"/gm),
      ].map((match) => relative(new URL(match[1]!, url)));
      yield { name: relative(url), text, imports };
    }
  }
}

function relative(url: URL): string {
  return url.href.slice(SRC.href.length);
}

function layerOf(name: string): { rank: number; folder: string } {
  const folder = name.split("/")[0]!;
  const rank = LAYERS.findIndex((layer) => layer.includes(folder));
  if (rank < 0) throw new Error(`${name} is in no layer`);
  return { rank, folder };
}

/** The code without its comments, which may speak of anything. */
function code({ text }: SourceFile): string {
  return text.replace(/\/\*[^]*?\*\/|\/\/.*$/gm, "");
}

function fail(wrong: string[]): void {
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}

Deno.test("src/ is layered", async (t) => {
  const files = await Array.fromAsync(sourceFiles(SRC));

  await t.step("imports go down, or stay in their folder", () => {
    fail(files.flatMap(({ name, imports }) =>
      imports.filter((other) => {
        const [from, to] = [layerOf(name), layerOf(other)];
        return to.folder !== from.folder && to.rank >= from.rank;
      }).map((other) => `${name} imports ${other}`)
    ));
  });

  await t.step("no file imports itself by way of others", () => {
    const graph = new Map(files.map((file) => [file.name, file.imports]));
    const done = new Set<string>();
    const walk = (name: string, trail: string[]) => {
      if (trail.includes(name)) throw new Error([...trail, name].join(" → "));
      if (done.has(name)) return;
      for (const next of graph.get(name) ?? []) walk(next, [...trail, name]);
      done.add(name);
    };
    for (const name of graph.keys()) walk(name, []);
  });

  await t.step("pure files reach for nothing", () => {
    fail(
      files.filter((file) =>
        PURE.some((pattern) => pattern.test(file.name)) &&
        IMPURE.test(code(file))
      ).map((file) => file.name),
    );
  });

  await t.step("what belongs to one place stays there", () => {
    fail(
      files.flatMap((file) =>
        FORBIDDEN.filter(([pattern, where]) =>
          pattern.test(code(file)) && !where.test(file.name)
        ).map(([pattern]) => `${file.name} has ${pattern.source}`)
      ),
    );
  });
});
