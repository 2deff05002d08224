/**
 * Where the symbolic links of a torrent lead (BEP 47). Pure.
 *
 * A link is followed by its words alone, never on disk, through the torrent's
 * other links and down only. One that does not end at a file or a folder of
 * the torrent leads out of it, round in a ring, or nowhere: it is not made.
 *
 * @module
 */

import { latin1 } from "../bytes/bencode.ts";
import type { ListedFile, TorrentFile } from "./file_list.ts";
import { type NameRules, safeName } from "./safe_path.ts";

/** More links in a row than this are followed by no Linux. */
const MAX_LINKS_IN_ROW = 40;

/** A file, a link or a folder. */
interface Node {
  /** Tells it from all others. */
  readonly id: number;
  /** Its name on disk. */
  readonly name: string;
  /** Its position among the files, unless it is a folder. */
  readonly position: number | undefined;
}

/** What a link's words come to. */
interface Resolution {
  /** The file or folder at the end. */
  readonly end: Node;
  /** The names on the way, as they are on disk. */
  readonly names: readonly string[];
}

/**
 * Tells the links of a torrent where they lead.
 *
 * @param files The files with their final paths.
 * @param options The same files as they are listed, and the rules for names.
 * @returns The files; a link that is to be made has its target.
 */
export function withTargets(
  files: readonly TorrentFile[],
  { listed, rules }: { listed: readonly ListedFile[]; rules: NameRules },
): readonly TorrentFile[] {
  if (!listed.some(({ rawTarget }) => rawTarget)) return files;
  const links = new LinkMap(files.filter(isNoPad), {
    listed: listed.filter(({ file }) => isNoPad(file)),
    rules,
  });
  let position = 0;
  return files.map((file) => {
    if (!isNoPad(file)) return file;
    const names = links.follow(position++)?.names;
    return names ? { ...file, target: [file.path[0]!, ...names] } : file;
  });
}

/**
 * What a link holds on disk.
 *
 * @param path The path of the link in the torrent.
 * @param target The path in the torrent that it leads to.
 * @returns The way there from the folder that the link lies in.
 */
export function linkText(
  path: readonly string[],
  target: readonly string[],
): string {
  const folder = path.slice(0, -1);
  const fork = folder.findIndex((name, i) => name !== target[i]);
  const common = fork < 0 ? folder.length : fork;
  const up = folder.slice(common).map(() => "..");
  return [...up, ...target.slice(common)].join("/") || ".";
}

/** Pads stand in one of the lists only, if a torrent is for v2 alone. */
function isNoPad({ kind }: TorrentFile): boolean {
  return kind !== "pad";
}

class LinkMap {
  readonly #rules: NameRules;
  readonly #listed: readonly ListedFile[];
  /** What lies in folders, by the number of the folder and the raw name. */
  readonly #nodes = new Map<string, Node>();
  readonly #root: Node = { id: 0, name: "", position: undefined };
  #lastId = 0;
  /** Links that have been followed; `undefined` while one is, as in a ring. */
  readonly #followed = new Map<number, Resolution | undefined>();

  constructor(
    files: readonly TorrentFile[],
    { listed, rules }: { listed: readonly ListedFile[]; rules: NameRules },
  ) {
    this.#rules = rules;
    this.#listed = listed;
    files.forEach((file, position) => this.#add(file, position));
  }

  /**
   * Where a link leads; nothing for what is no link, or leads nowhere.
   *
   * @param position Its position among the files.
   * @param row How many links have led here.
   */
  follow(position: number, row = 0): Resolution | undefined {
    const { rawPath, rawTarget } = this.#listed[position]!;
    if (!rawTarget || row >= MAX_LINKS_IN_ROW) return undefined;
    if (!this.#followed.has(position)) {
      this.#followed.set(position, undefined);
      // Some programs write the way from the folder that the link lies in.
      const fromFolder = [...rawPath.slice(0, -1), ...rawTarget];
      this.#followed.set(
        position,
        this.#walk(rawTarget, row) ?? this.#walk(fromFolder, row),
      );
    }
    return this.#followed.get(position);
  }

  #add({ path: [, ...names] }: TorrentFile, position: number): void {
    let { rawPath } = this.#listed[position]!;
    if (rawPath.length > names.length) {
      rawPath = rawPath.filter((raw) => this.#isName(raw));
    }
    let folder = this.#root;
    names.forEach((name, depth) => {
      const key = keyOf(folder, rawPath[depth]!);
      const isLast = depth === names.length - 1;
      let node = this.#nodes.get(key);
      // A file or link of a name that is taken has another one on disk: what is
      // meant by the name is the folder, or what came first.
      if (!node || (!isLast && node.position !== undefined)) {
        node = {
          id: ++this.#lastId,
          name,
          position: isLast ? position : undefined,
        };
        this.#nodes.set(key, node);
      }
      folder = node;
    });
  }

  #walk(
    target: readonly Uint8Array[],
    row: number,
  ): Resolution | undefined {
    const names: string[] = [];
    let end = this.#root;
    for (const raw of target) {
      const node = this.#nodes.get(keyOf(end, raw));
      if (!node) {
        // BEP 47: "must not contain '..' elements"
        if (this.#isName(raw)) return undefined;
        continue;
      }
      names.push(node.name);
      end = node;
      if (node.position === undefined) continue;
      const { rawTarget } = this.#listed[node.position]!;
      if (!rawTarget) continue;
      const there = this.follow(node.position, row + 1);
      if (!there) return undefined;
      end = there.end;
    }
    return end === this.#root ? undefined : { end, names };
  }

  /** Whether anything is left of a name on disk. */
  #isName(raw: Uint8Array): boolean {
    return safeName(raw, this.#rules) !== undefined;
  }
}

function keyOf(folder: Node, raw: Uint8Array): string {
  return `${folder.id}/${latin1(raw)}`;
}
