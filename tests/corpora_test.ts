/**
 * What other projects' suites say of their torrents, links and vectors, and
 * what this program makes of them. Where that differs, the reason stands in
 * `testdata`.
 */

import { decodeBencode } from "../src/bytes/bencode.ts";
import { run } from "../src/cli/run.ts";
import { formatEndpoint } from "../src/bytes/endpoint.ts";
import { BencodeError, MagnetError, MetainfoError } from "../src/errors.ts";
import { parseMagnet } from "../src/metainfo/magnet.ts";
import { type Metainfo, parseMetainfo } from "../src/metainfo/metainfo.ts";
import links from "../testdata/magnet_vectors.json" with { type: "json" };
import verdicts from "../testdata/torrent_verdicts.json" with { type: "json" };
import { hasCorpora, readCorpus, readVectors } from "./support/corpora.ts";
import { TempFolder } from "./support/temp_folder.ts";
import { TestEnv } from "./support/test_env.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";

const ignore = !hasCorpora();

interface Verdict {
  file: string;
  verdict: string;
  field?: string;
  infoHash?: string;
  infoHashV2?: string;
  files?: number;
  length?: number;
  paths?: string[];
  kinds?: string;
  private?: boolean;
  why?: string;
}

Deno.test({
  name: "parseMetainfo() judges the torrents of other projects",
  ignore,
  fn() {
    const torrents = verdicts.torrents as Verdict[];
    assertEquals(torrents.length, 125);
    for (const expected of torrents) {
      const bytes = readCorpus(`torrents/${expected.file}`);
      let metainfo: Metainfo;
      try {
        metainfo = parseMetainfo(bytes);
      } catch (error) {
        assertEquals(expected.verdict, "error", expected.file);
        if (error instanceof BencodeError) {
          assertEquals(expected.field, undefined, expected.file);
        } else {
          assert(error instanceof MetainfoError, expected.file);
          assertEquals(error.field, expected.field, expected.file);
        }
        continue;
      }
      const { files, layout, isPrivate } = metainfo;
      assertEquals("valid", expected.verdict, expected.file);
      assertEquals(encodeHex(metainfo.infoHash), expected.infoHash);
      const { infoHashV2 } = metainfo;
      assertEquals(infoHashV2 && encodeHex(infoHashV2), expected.infoHashV2);
      assertEquals(files.length, expected.files, expected.file);
      assertEquals(layout.length, expected.length, expected.file);
      assertEquals(isPrivate, expected.private ?? false, expected.file);
      if (expected.paths) {
        const found = files.map(({ path }) => path.join("/"));
        assertEquals(found, expected.paths, expected.file);
      }
      const kinds = files.map(({ kind }) => kind === "symlink" ? "l" : kind[0]);
      if (expected.kinds) assertEquals(kinds.join(""), expected.kinds);
    }
  },
});

/** What a suite says of a torrent; lists are by the position of the file. */
interface Stated {
  file: string;
  expected?: string;
  expect?: string;
  numFiles?: number;
  filesCount?: number;
  name?: string;
  paths?: Record<string, string>;
  /** The names on disk, where those differ. */
  renamed?: Record<string, string>;
  symlinks?: Record<string, string>;
  sizes?: Record<string, number>;
  roots?: Record<string, string>;
  padFiles?: number[];
  files?: string[];
  total?: number;
  pieces?: number;
  pieceLength?: number;
  private?: boolean;
  v1?: boolean | string;
  v2?: boolean | string;
  v2Hash?: string;
  urlSeeds?: string[];
  numUrlSeeds?: number;
  dhtNodes?: [string, number][];
}

/** What a suite says and we do not find. */
function differences(stated: Stated, metainfo: Metainfo | undefined): string[] {
  const found: string[] = [];
  const compare = (what: string, ours: unknown, theirs: unknown) => {
    if (theirs === undefined) return;
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) found.push(what);
  };
  const isValid = (stated.expected ?? stated.expect) === "valid";
  compare("verdict", metainfo !== undefined, isValid);
  if (!metainfo) return found;
  const { files, layout, infoHash, infoHashV2, hasV1, metaVersion } = metainfo;
  const v2 = infoHashV2 && encodeHex(infoHashV2);
  const isHash = (value: unknown) => typeof value === "string";
  compare("files", files.length, stated.numFiles ?? stated.filesCount);
  compare("name", metainfo.name, stated.name);
  compare("v1", isHash(stated.v1) ? encodeHex(infoHash) : hasV1, stated.v1);
  compare("v2", isHash(stated.v2) ? v2 : metaVersion === 2, stated.v2);
  compare("v2", v2, stated.v2Hash);
  compare("length", layout.length, stated.total);
  compare("pieces", layout.pieceCount, stated.pieces);
  compare("piece length", layout.pieceLength, stated.pieceLength);
  compare("private", metainfo.isPrivate, stated.private);
  compare("web seeds", metainfo.webSeeds, stated.urlSeeds);
  compare("web seeds", metainfo.webSeeds.length, stated.numUrlSeeds);
  compare(
    "nodes",
    metainfo.nodes.map(({ hostname, port }) => [hostname, port]),
    stated.dhtNodes,
  );
  compare(
    "paths",
    files.map(({ path }) => path.slice(1).join("/")),
    stated.files,
  );
  for (const i of stated.padFiles ?? []) {
    compare("pads", files[i]!.kind, "pad");
  }
  const each = <T>(
    list: Record<string, T> | undefined,
    ours: (file: Metainfo["files"][number]) => T | undefined,
  ) => {
    for (const [i, theirs] of Object.entries(list ?? {})) {
      compare(`file ${i}`, ours(files[Number(i)]!), theirs);
    }
  };
  each({ ...stated.paths, ...stated.renamed }, ({ path }) => path.join("/"));
  each(stated.symlinks, ({ target }) => target?.join("/"));
  each(stated.sizes, ({ length }) => length);
  each(stated.roots, ({ piecesRoot }) => piecesRoot && encodeHex(piecesRoot));
  return found;
}

function parsed(bytes: Uint8Array): Metainfo | undefined {
  try {
    return parseMetainfo(bytes);
  } catch (error) {
    assert(error instanceof MetainfoError || error instanceof BencodeError);
    return undefined;
  }
}

Deno.test({
  name:
    "parseMetainfo() gives the verdicts that suites state, or it is said why",
  ignore,
  fn() {
    const libtorrent = readVectors<{ torrents: Stated[] }>(
      "libtorrent_verdicts.json",
    ).torrents.map((row) => ({ ...row, file: `libtorrent/${row.file}` }));
    const others = readVectors<{ files: Stated[] }>("stated_verdicts.json")
      .files;
    const differing = [...libtorrent, ...others].filter((stated) =>
      differences(stated, parsed(readCorpus(`torrents/${stated.file}`)))
        .length > 0
    ).map(({ file }) => file);
    const explained = (verdicts.torrents as Verdict[])
      .filter(({ why }) => why !== undefined).map(({ file }) => file);
    assertEquals(differing.filter((file) => !explained.includes(file)), []);
    assertEquals(differing.length, 15);
  },
});

Deno.test({
  name: "parseMetainfo() takes or refuses what suites write in their code",
  ignore,
  fn() {
    const { inline } = readVectors<{ inline: { bencode?: string }[] }>(
      "stated_verdicts.json",
    );
    const encoder = new TextEncoder();
    const found = inline.filter(({ bencode }) => bencode !== undefined)
      .map(({ bencode }) => parsed(encoder.encode(bencode)))
      .map((metainfo) =>
        metainfo && [
          metainfo.files.map(({ path }) => path.join("/")).join(" "),
          ...metainfo.nodes.map(formatEndpoint),
        ]
      );
    assertEquals(found, [
      // aria2 refuses both; others make the names safe, and so do we.
      [".._name1_name2/.._dir1/dir2/file.img"],
      [".._name1_name2"],
      ["aria2.tar.bz2", "192.168.0.1:6881", "192.168.0.2:6882"],
      // The wrong key is ignored, and what else is missing is an error.
      undefined,
      undefined,
      undefined,
    ]);
  },
});

Deno.test({
  name: "decodeBencode() gives the verdicts that suites state",
  ignore,
  fn() {
    const { cases } = readVectors<
      { cases: { hex: string | null; build?: string; strict: string }[] }
    >("bencode_vectors.json");
    assertEquals(cases.length, 196);
    for (const { hex, build, strict } of cases) {
      const depth = /^(\d+) x 'l'/.exec(build ?? "")?.[1];
      const bytes = hex === null
        ? new TextEncoder().encode(
          "l".repeat(Number(depth)) + "e".repeat(Number(depth)),
        )
        : decodeHex(hex);
      const isRefused = strict === "invalid" || strict === "trailing" ||
        // libtorrent's limit is ours.
        Number(depth) > 100;
      if (isRefused) assertThrows(() => decodeBencode(bytes), BencodeError);
      else decodeBencode(bytes);
    }
  },
});

/** What a suite says of a link. */
interface StatedLink {
  uri?: string;
  bytesBase64?: string;
  expect: string;
  v1?: string;
  trackers?: string[];
  name?: string;
}

Deno.test({
  name: "parseMagnet() gives the verdicts that suites state, or it is said why",
  ignore,
  fn() {
    const { parse } = readVectors<{ parse: StatedLink[] }>(
      "magnet_vectors.json",
    );
    const explained = links.links.filter((row) => "why" in row)
      .map(({ link }) => link);
    const differing = parse.filter(({ uri, bytesBase64, ...stated }) => {
      try {
        const magnet = parseMagnet(uri ?? atob(bytesBase64!));
        return stated.expect === "error" || (stated.expect === "ok" &&
          (stated.v1 ?? encodeHex(magnet.infoHash)) !==
            encodeHex(magnet.infoHash));
      } catch (error) {
        assert(error instanceof MagnetError, uri);
        return stated.expect === "ok";
      }
    }).map(({ uri }) => uri!);
    assertEquals(differing.filter((uri) => !explained.includes(uri)), []);
  },
});

/** How a suite makes its files of a list of words. */
interface Words {
  files: Record<string, { step: number; length: number; piecesRoot: string }>;
  torrents: {
    files: string[];
    name: string;
    pieceLength: number;
    v2Infohash: string;
  }[];
}

const LINES = 1153;
const WORDS_PER_LINE = 983;

Deno.test({
  name: "btget create makes the info hashes that another program makes",
  ignore,
  async fn() {
    const { arokettu } = readVectors<{ arokettu: Words }>(
      "merkle_vectors.json",
    );
    const words = new TextDecoder()
      .decode(readCorpus("content/arokettu/words.txt"))
      .split("\n").map((line) => line.trim()).filter((line) => line !== "");
    using folder = new TempFolder();
    await Deno.mkdir(folder.join("files"));
    for (const [name, { step, length }] of Object.entries(arokettu.files)) {
      const lines: string[] = [];
      let index = 0;
      for (let line = 0; line < LINES; line++) {
        let text = "";
        for (let word = 0; word < WORDS_PER_LINE; word++) {
          index = (index + step) % words.length;
          text += `${words[index]} `;
        }
        lines.push(`${text}\n\n`);
      }
      const bytes = new TextEncoder().encode(lines.join(""));
      assertEquals(bytes.length, length);
      await Deno.writeFile(folder.join("files", name), bytes);
    }
    for (const made of arokettu.torrents) {
      const env = new TestEnv();
      const path = folder.join("x.torrent");
      const what = made.files.length > 1
        ? folder.join("files")
        : folder.join("files", made.name);
      const code = await run(
        [
          ...["create", what, "--v2", `-l${made.pieceLength}`],
          ...["-o", path, "--allow-overwrite"],
        ],
        env,
      );
      assertEquals(code, 0, env.stderr.text);
      const metainfo = parseMetainfo(await Deno.readFile(path));
      assertEquals(encodeHex(metainfo.infoHashV2!), made.v2Infohash);
      for (const { path, piecesRoot } of metainfo.files) {
        if (!piecesRoot) continue;
        const stated = arokettu.files[path.at(-1)!]!;
        assertEquals(encodeHex(piecesRoot), stated.piecesRoot);
      }
    }
  },
});
