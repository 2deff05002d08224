import { sha1 } from "../../src/bytes/hash.ts";
import { MetainfoError } from "../../src/errors.ts";
import {
  choosePieceLength,
  createTorrent,
  type NewFile,
  type PieceDigests,
  planTorrent,
  type TorrentForm,
  type TorrentPlan,
} from "../../src/metainfo/create.ts";
import { leavesOf, merkleRoot, pieceLevel } from "../../src/metainfo/merkle.ts";
import { type Metainfo, parseMetainfo } from "../../src/metainfo/metainfo.ts";
import vectors from "../../testdata/merkle_vectors.json" with { type: "json" };
import { assertEquals, assertThrows } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { encodeHex } from "@std/encoding/hex";

const FORMS: readonly TorrentForm[] = ["v1", "v2", "hybrid"];
const KIB = 1024;
const GIB = 1024 ** 3;

function file(path: string, length: number, isExecutable = false): NewFile {
  return { path: path === "" ? [] : path.split("/"), length, isExecutable };
}

/** Byte i of every file is i mod 251. */
function content(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

/** Hashes a plan as it is said in BEP 3 and 52, with everything in memory. */
function digest({ files, layout, form }: TorrentPlan): PieceDigests {
  const { pieceLength } = layout;
  const bytes = concat(
    files.map((file, i) =>
      file ? content(file.length) : new Uint8Array(layout.fileLength(i))
    ),
  );
  const hashes: Uint8Array[] = [];
  const nodes: Uint8Array[] = [];
  for (let index = 0; index < layout.pieceCount; index++) {
    const begin = layout.pieceOffset(index);
    const piece = bytes.subarray(begin, begin + layout.pieceSize(index));
    hashes.push(sha1(piece));
    const [span] = layout.spans(begin, piece.length);
    const isWhole = layout.fileLength(span!.file) <= pieceLength;
    nodes.push(
      merkleRoot(
        leavesOf(piece.subarray(0, span!.length)),
        isWhole ? {} : { height: pieceLevel(pieceLength) },
      ),
    );
  }
  return {
    hashes: form === "v2" ? undefined : concat(hashes),
    nodes: form === "v1" ? undefined : concat(nodes),
  };
}

function create(
  files: readonly NewFile[],
  options: { form: TorrentForm; name?: string; pieceLength?: number },
): Metainfo {
  const plan = planTorrent(files, options);
  const bytes = createTorrent(plan, {
    name: options.name ?? "n",
    ...digest(plan),
  });
  return parseMetainfo(bytes);
}

Deno.test("createTorrent() makes the info hashes of other creators", () => {
  for (const { size, torrents } of vectors.contents) {
    for (const expected of torrents) {
      const { pieceLength } = expected;
      const [v1, v2, hybrid] = FORMS.map((form) =>
        create([file("", size)], { form, pieceLength, name: `f${size}` })
      ) as [Metainfo, Metainfo, Metainfo];
      assertEquals(encodeHex(v1.infoHash), expected.v1);
      assertEquals(encodeHex(v2.infoHashV2!), expected.v2);
      assertEquals(encodeHex(hybrid.infoHash), expected.hybridV1);
      assertEquals(encodeHex(hybrid.infoHashV2!), expected.hybridV2);
    }
  }
});

Deno.test("createTorrent() sorts files as the tree of v2 does", () => {
  const order = [
    "A",
    "a/b/c",
    "a/b.c",
    "a/c",
    "a.b",
    "a0",
    "\u{ff5e}",
    "\u{1f600}",
  ];
  for (const form of FORMS) {
    const files = order.map((path) => file(path, 1));
    for (const found of [files, files.toReversed()]) {
      const { files } = create(found, { form });
      assertEquals(
        files.filter(({ kind }) => kind === "file")
          .map(({ path }) => path.slice(1).join("/")),
        order,
      );
    }
  }
});

Deno.test("createTorrent() pads hybrid torrents to the end of the last piece", () => {
  const files = [
    file("a", 16_385),
    file("b", 0),
    file("c", 16_384),
    file("d", 1),
  ];
  const kinds = (form: TorrentForm) =>
    create(files, { form, pieceLength: 16_384 }).files
      .map(({ kind, length }) => `${kind[0]}${length}`).join(" ");
  assertEquals(kinds("v1"), "f16385 f0 f16384 f1");
  assertEquals(kinds("v2"), "f16385 p16383 f0 f16384 f1");
  const alone = create([files[0]!], { form: "hybrid", pieceLength: 16_384 });
  assertEquals(alone.files.length, 1);
  assertEquals(kinds("hybrid"), "f16385 p16383 f0 f16384 f1 p16383");
});

Deno.test("createTorrent() marks executables, alone and in a list", () => {
  for (const form of FORMS) {
    for (const path of ["", "a"]) {
      const { files } = create([file(path, 5, true)], { form });
      assertEquals(files[0]!.isExecutable, true);
    }
  }
});

Deno.test("createTorrent() makes torrents of nothing but empty files", () => {
  for (const form of FORMS) {
    assertEquals(create([file("", 0)], { form }).layout.length, 0);
    const { files } = create([file("a", 0), file("b/c", 0)], { form });
    assertEquals(files.length, 2);
  }
});

Deno.test("createTorrent() says everything that it is told", () => {
  const plan = planTorrent([file("a", 5)], { form: "hybrid" });
  const details = {
    ...digest(plan),
    name: "n",
    announceTiers: [["http://a/", "udp://b:1"], ["http://c/"]],
    webSeeds: ["http://w/"],
    isPrivate: true,
    comment: "c",
    createdBy: "us",
    creationDate: 7,
  };
  const bytes = createTorrent(plan, details);
  const metainfo = parseMetainfo(bytes);
  assertEquals(metainfo.announceTiers, details.announceTiers);
  assertEquals(metainfo.webSeeds, details.webSeeds);
  assertEquals(metainfo.isPrivate, true);
  const { comment, createdBy, creationDate } = metainfo;
  assertEquals([comment, createdBy, creationDate], ["c", "us", 7]);
  assertEquals(createTorrent(plan, details), bytes);
  const other = parseMetainfo(createTorrent(plan, { ...details, source: "x" }));
  assertEquals(
    encodeHex(other.infoHash) === encodeHex(metainfo.infoHash),
    false,
  );
});

Deno.test("choosePieceLength() keeps to 2048 pieces where it can", () => {
  const table: [lengths: number[], form: TorrentForm, pieceLength: number][] = [
    [[0], "hybrid", 16 * KIB],
    [[32 * KIB * KIB], "v1", 16 * KIB],
    [[32 * KIB * KIB + 1], "v1", 32 * KIB],
    [[4 * GIB], "hybrid", 2048 * KIB],
    [[32 * GIB], "v2", 16 * KIB * KIB],
    [[5000 * GIB], "v2", 16 * KIB * KIB],
    // Small files have a piece of their own however long it is.
    [Array.from({ length: 10_000 }, () => 1000), "hybrid", 16 * KIB],
    [Array.from({ length: 10_000 }, () => 16_000), "v1", 128 * KIB],
  ];
  for (const [lengths, form, pieceLength] of table) {
    assertEquals(choosePieceLength(lengths, form), pieceLength);
  }
});

Deno.test("planTorrent() refuses what no torrent can hold", () => {
  const long = file("", 2 ** 21 * 16_384 + 1);
  assertThrows(
    () => planTorrent([long], { form: "v1", pieceLength: 16_384 }),
    MetainfoError,
    "pieces",
  );
  const many = Array.from({ length: 300_001 }, (_, i) => file(`${i}`, 0));
  assertThrows(
    () => planTorrent(many, { form: "v1" }),
    MetainfoError,
    "files",
  );
});
