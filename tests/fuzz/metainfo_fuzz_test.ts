/**
 * Theorems:
 *
 * - Whatever bytes arrive, `parseMetainfo()` gives a metainfo or throws
 *   `MetainfoError` or `BencodeError`, and nothing else.
 * - Whatever a torrent calls its files, each lies below the download folder
 *   under a name that every file system in question takes, no two meet, and
 *   none is the control file.
 * - Files, pieces and hashes of a metainfo agree with each other, and the info
 *   hash is that of bytes in the input.
 */

import {
  type BencodeInput,
  encodeBencode,
  fromLatin1,
} from "../../src/bytes/bencode.ts";
import { HASH_LENGTH, hashesEqual, sha1 } from "../../src/bytes/hash.ts";
import { BencodeError, MetainfoError } from "../../src/errors.ts";
import { type Metainfo, parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { LINUX_NAMES, type NameRules } from "../../src/metainfo/safe_path.ts";
import { placeFiles } from "../../src/storage/places.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { assert } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { encodeHex } from "@std/encoding/hex";
import { dirname, join } from "@std/path";

const RULES: NameRules[] = [
  LINUX_NAMES,
  { windows: false, foldsCase: true },
  { windows: true, foldsCase: true },
];

/** Parts of names that have led other programs astray. */
const PARTS: Uint8Array[] = [
  ...["", ".", "..", "...", "/", "\\", "\0", "\x1b[0m", "\x7f", "\x9b"],
  ...["a", "A", "a.1", "a.2", "A.1", "é", "e\u0301", "ß", "SS", "_"],
  ...[":", "C:", " ", "con", "NUL.txt", ".txt", ".btget", ".pad"],
  ...["\u202e", "\u200b", "\ufeff", "\ufffd", "_____padding_file_"],
  ...["x".repeat(250), "あ".repeat(85)],
].map((text) => new TextEncoder().encode(text));

/** Parts that are not UTF-8. */
PARTS.push(...["\xff", "\xfe", "\xc0\xae", "\xed\xa0\x80"].map(fromLatin1));

/** Numbers at the limits of what is taken. */
const NUMBERS: (number | bigint)[] = [
  -1,
  0,
  1,
  16_384,
  2 ** 27,
  2 ** 27 + 1,
  2 ** 31,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  2n ** 53n,
  2n ** 63n,
  -(2n ** 64n),
];

class Draw {
  constructor(readonly random: () => number) {}

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  list<T>(limit: number, item: () => T): T[] {
    return Array.from({ length: this.below(limit) }, item);
  }

  name(): Uint8Array {
    if (this.chance(0.1)) return randomBytes(this.below(8), this.random);
    return concat(this.list(4, () => this.of(PARTS)));
  }

  /** Something that is of the wrong type nearly everywhere. */
  anything(): BencodeInput {
    return this.of<BencodeInput>([this.of(NUMBERS), this.name(), [], [
      this.name(),
    ], {}]);
  }

  file(): { [key: string]: BencodeInput | undefined } {
    return {
      length: this.chance(0.02) ? this.of(NUMBERS) : this.below(40_000),
      path: this.chance(0.01)
        ? this.anything()
        : [this.name(), ...this.list(3, () => this.name())],
      attr: this.chance(0.15) ? this.of(["p", "l", "xh", "lp"]) : undefined,
      "path.utf-8": this.chance(0.05) ? this.anything() : undefined,
      "symlink path": this.chance(0.1)
        ? this.anything()
        : this.list(3, () => this.name()),
    };
  }

  /** A torrent that is nearly right. */
  torrent(): Uint8Array {
    const files = this.chance(0.8)
      ? this.list(8, () => this.file())
      : undefined;
    const length = this.chance(0.1) ? this.of(NUMBERS) : this.below(100_000);
    const total = files
      ? files.reduce(
        (sum, { attr, length }) => sum + (attr === "l" ? 0 : Number(length)),
        0,
      )
      : Number(length);
    const pieceLength = this.chance(0.05)
      ? this.of(NUMBERS)
      : this.of([1000, 16_384, 32_768]);
    const pieces =
      Math.min(Math.max(Math.ceil(total / Number(pieceLength)), 0), 1000) || 0;
    const info: { [key: string]: BencodeInput | undefined } = {
      name: this.name(),
      "name.utf-8": this.chance(0.1) ? this.anything() : undefined,
      ...(files ? { files } : { length }),
      "piece length": pieceLength,
      pieces: new Uint8Array(pieces * 20),
      private: this.chance(0.2) ? this.anything() : undefined,
    };
    const root: { [key: string]: BencodeInput | undefined } = {
      announce: this.chance(0.5) ? this.name() : this.anything(),
      "announce-list": this.list(
        4,
        () =>
          this.chance(0.8) ? this.list(3, () => this.name()) : this.anything(),
      ),
      nodes: this.list(
        4,
        () =>
          this.chance(0.8) ? [this.name(), this.of(NUMBERS)] : this.anything(),
      ),
      "url-list": this.anything(),
      comment: this.anything(),
      "creation date": this.anything(),
      info,
    };
    const target = this.chance(0.5) ? info : root;
    if (this.chance(0.1)) {
      target[this.of(Object.keys(target))] = this.anything();
    }
    return encodeBencode(root);
  }

  /** The same bytes with a few of them damaged. */
  damaged(bytes: Uint8Array): Uint8Array {
    const damaged = bytes.slice();
    while (this.chance(0.7)) {
      damaged[this.below(damaged.length)] = this.chance(0.5)
        ? this.of([...fromLatin1("ilde0123456789:-")])
        : this.below(256);
    }
    return this.chance(0.05)
      ? damaged.subarray(0, this.below(damaged.length))
      : damaged;
  }
}

const UNSAFE =
  // deno-lint-ignore no-control-regex
  /[\/\\\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
const UNSAFE_FOR_WINDOWS =
  /[<>:"|?*]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

function checkName(name: string, rules: NameRules): void {
  assert(name !== "" && name !== "." && name !== "..", `name ${name}`);
  assert(!UNSAFE.test(name) && name.isWellFormed(), `name ${name}`);
  assert(
    name.length <= 85 || new TextEncoder().encode(name).length <= 255,
    name,
  );
  if (rules.windows) assert(!UNSAFE_FOR_WINDOWS.test(name), `name ${name}`);
}

function checkPaths(metainfo: Metainfo, rules: NameRules): void {
  const taken = new Set<string>();
  const folders = new Set<string>();
  for (const { path, kind, target } of metainfo.files) {
    for (const name of target ?? []) checkName(name, rules);
    assert(!target || (target[0] === metainfo.name && target.length > 1));
    assert(path[0] === metainfo.name);
    assert(path.length === 1 || metainfo.isMultiFile);
    for (const name of path) checkName(name, rules);
    if (kind === "pad") continue;
    const text = path.join("/");
    const key = rules.foldsCase ? text.normalize("NFD").toUpperCase() : text;
    assert(!taken.has(key), `twice ${key}`);
    taken.add(key);
    for (let at = key.indexOf("/"); at > 0; at = key.indexOf("/", at + 1)) {
      folders.add(key.slice(0, at));
    }
  }
  for (const folder of folders) assert(!taken.has(folder), `both ${folder}`);
  const { root, files, control } = placeFiles(metainfo, { folder: "/d" });
  assert(root === `/d/${metainfo.name}` && control !== root);
  for (const { path, link } of files) {
    // Where a link leads by its words is in the folder too.
    const end = link === undefined ? root : join(dirname(path), link);
    assert(end === root || end.startsWith(`${root}/`), end);
    assert(path === root || path.startsWith(`${root}/`), path);
    assert(path !== control);
  }
}

function checkNumbers(metainfo: Metainfo, bytes: Uint8Array): void {
  const { files, layout, infoBytes } = metainfo;
  let length = 0;
  for (const file of files) {
    assert(Number.isSafeInteger(file.length) && file.length >= 0);
    length += file.length;
  }
  assert(layout.length === length && layout.fileCount === files.length);
  assert(metainfo.pieceHashes.length === layout.pieceCount * HASH_LENGTH);
  assert(infoBytes.buffer === bytes.buffer);
  assert(hashesEqual(metainfo.infoHash, sha1(infoBytes)));
  for (const { hostname, port } of metainfo.nodes) {
    assert(/^[0-9a-z_.:-]+$/.test(hostname) && port > 0 && port < 65_536);
  }
}

/** How many of the inputs were torrents. */
function run(
  seed: number,
  count: number,
  input: (draw: Draw) => Uint8Array,
): number {
  const draw = new Draw(seededRandom(seed));
  let parsed = 0;
  for (let i = 0; i < count; i++) {
    const bytes = input(draw);
    const names = draw.of(RULES);
    try {
      const metainfo = parseMetainfo(bytes, { names });
      checkPaths(metainfo, names);
      checkNumbers(metainfo, bytes);
      parsed++;
    } catch (error) {
      if (error instanceof MetainfoError || error instanceof BencodeError) {
        continue;
      }
      throw new Error(`seed ${seed}, input ${encodeHex(bytes)}`, {
        cause: error,
      });
    }
  }
  return parsed;
}

Deno.test("parseMetainfo() gives a sound metainfo or its errors for torrents that are nearly right", () => {
  const parsed = run(0x3e7a, 15_000, (draw) => draw.torrent());
  assert(parsed > 3000, `only ${parsed} parsed`);
});

Deno.test("parseMetainfo() gives a sound metainfo or its errors for damaged torrents", () => {
  let torrent: Uint8Array = new Uint8Array();
  const parsed = run(0x3e7b, 45_000, (draw) => {
    // To draw one takes longer than to read it.
    if (torrent.length === 0 || draw.chance(0.1)) torrent = draw.torrent();
    return draw.damaged(torrent);
  });
  assert(parsed > 3000, `only ${parsed} parsed`);
});

Deno.test("parseMetainfo() gives nothing but its errors for random bytes", () => {
  run(0x3e7c, 40_000, (draw) => {
    const bytes = randomBytes(draw.below(60), draw.random);
    const head = draw.chance(0.5) ? "" : "d4:infod";
    return concat([fromLatin1(head), bytes]);
  });
});
