import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import {
  FileStorage,
  type WriteTarget,
} from "../../src/storage/file_storage.ts";
import { placeFiles } from "../../src/storage/places.ts";
import { type SideFinding, SideHand } from "../../src/storage/side_hand.ts";
import { SideWriter } from "../../src/storage/side_writer.ts";
import { makeForm } from "../support/make_form.ts";
import { checkPayload } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";

const KIB = 1024;
const PIECE = 64 * KIB;

const FILES = { "a": 2 * PIECE + 7, "b": 20 * KIB, "c": PIECE };

/** A torrent of which nothing is on disk, and who writes it. */
class Scene implements AsyncDisposable {
  readonly folder = new TempFolder();
  readonly writer = new SideWriter();
  readonly made;
  readonly hashes;
  readonly files: FileStorage;

  constructor(form: "v1" | "v2" | "hybrid") {
    this.made = makeForm({ form, pieceLength: PIECE, files: FILES });
    const { metainfo } = this.made;
    this.hashes = PieceHashes.of(metainfo);
    const { files, folder } = placeFiles(metainfo, {
      folder: this.folder.path,
    });
    this.files = new FileStorage(metainfo.layout, {
      places: files,
      folder,
      canRead: true,
      mayReplace: false,
    });
  }

  /** Gives all pieces to the writer, each in a run of its own. */
  async endAll(change = 0): Promise<SideFinding[]> {
    const { layout } = this.made.metainfo;
    const results = [];
    for (let index = 0; index < layout.pieceCount; index++) {
      const offset = layout.pieceOffset(index);
      const length = layout.dataSize(index);
      const memory = new Uint8Array(PIECE);
      memory.set(this.made.payload.subarray(offset, offset + length));
      memory[0]! ^= change;
      const size = layout.pieceSize(index);
      const order = this.hashes.orderFor(index);
      const piece = { begin: 0, length, size, order };
      results.push(this.files.writeAside(offset, {
        length,
        write: (targets) =>
          this.writer.end({ memory, pieces: [piece], targets }),
      }));
    }
    return (await Promise.all(results)).map(({ memory, findings }) => {
      assertEquals(memory.length, PIECE);
      return findings[0]!;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer[Symbol.asyncDispose]();
    await this.files[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

for (const form of ["v1", "v2", "hybrid"] as const) {
  Deno.test(`SideWriter writes what is right: ${form}`, async () => {
    await using scene = new Scene(form);
    for (const { verdict, failure } of await scene.endAll(1)) {
      assertEquals([verdict, failure], ["wrong", undefined]);
    }
    const sizes = pathsOf(scene).map((path) => Deno.statSync(path).size);
    assertEquals(sizes, sizes.map(() => 0));
    const right = await scene.endAll();
    for (const [index, { verdict, leaves, failure }] of right.entries()) {
      assertEquals([verdict, failure], ["right", undefined]);
      const blocks = scene.made.metainfo.layout.blockCount(index);
      assertEquals(leaves?.length, form === "v1" ? undefined : 32 * blocks);
    }
    assertEquals(scene.writer.queuedBytes, 0);
    checkPayload(scene.made, scene.folder.path);
  });
}

function pathsOf({ files, made }: Scene): string[] {
  return made.metainfo.files.flatMap((_, file) =>
    files.isOnDisk(file) ? [files.pathOf(file)] : []
  );
}

Deno.test("SideWriter ends pieces in their order, and all before itself", async () => {
  const ended: number[] = [];
  {
    await using writer = new SideWriter();
    for (let i = 0; i < 40; i++) {
      const length = 512 * KIB;
      const order = { expected: { hash: new Uint8Array(20) } };
      const piece = { begin: 0, length, size: length, order };
      const memory = new Uint8Array(length);
      writer.end({ memory, pieces: [piece], targets: [] })
        .then(() => ended.push(i));
      // It is lent: nobody can change it now. That of the first is away.
      assertEquals(memory.length, i === 0 ? 0 : length);
    }
    assertEquals(writer.queuedBytes, 40 * 512 * KIB);
  }
  assertEquals(ended, Array.from({ length: 40 }, (_, i) => i));
});

Deno.test("SideWriter tells everybody who waits that its worker failed", async () => {
  await using writer = new SideWriter();
  // No tree has such a level.
  const order = {
    expected: { node: new Uint8Array(32) },
    tree: { dataLength: 9, level: 99 },
  };
  const end = () =>
    assertRejects(
      () =>
        writer.end({
          memory: new Uint8Array(9),
          pieces: [{ begin: 0, length: 9, size: 9, order }],
          targets: [],
        }),
      Error,
      "The worker failed: ",
    );
  await Promise.all([end(), end()]);
  await end();
  assertEquals(writer.queuedBytes, 0);
});

Deno.test("SideWriter writes to no file that took the place of another", async () => {
  await using scene = new Scene("v1");
  await scene.endAll();
  const [path] = pathsOf(scene) as [string];
  const { dev, ino } = await Deno.stat(path);
  using hand = new SideHand();
  const target = { path, dev, ino, begin: 0, at: 0, length: PIECE };
  const order = scene.hashes.orderFor(0);
  const pieces = [{ begin: 0, length: PIECE, size: PIECE, order }];
  const end = (target: WriteTarget) => {
    const memory = scene.made.payload.slice(0, PIECE).buffer;
    const { findings } = hand.end({ memory, pieces, targets: [target] });
    return findings[0]?.failure;
  };
  await Deno.rename(path, `${path}.old`);
  await Deno.writeTextFile(path, "precious");
  assertEquals(end(target)?.problem, "exists");
  await Deno.remove(path);
  await Deno.rename(`${path}.old`, path);
  assertEquals(end(target), undefined);
  // What it has opened before is not taken for the new one either.
  await Deno.rename(path, `${path}.old`);
  await Deno.writeTextFile(path, "precious");
  assertEquals(end({ ...target, ino: ino! + 1e6 })?.problem, "exists");
  assertEquals(await Deno.readTextFile(path), "precious");
});

Deno.test("SideWriter says why the disk refused a piece, and writes the others", async () => {
  await using scene = new Scene("v1");
  const { layout } = scene.made.metainfo;
  const path = scene.folder.join("nowhere");
  const there = scene.folder.join("there");
  await Deno.writeTextFile(there, "");
  const { dev, ino } = await Deno.stat(there);
  const pieces = [0, 1].map((index) => ({
    begin: layout.pieceOffset(index),
    length: PIECE,
    size: PIECE,
    order: scene.hashes.orderFor(index),
  }));
  const { findings } = await scene.writer.end({
    memory: scene.made.payload.slice(0, 2 * PIECE),
    pieces,
    targets: [
      { path, dev: 0, ino: 0, begin: 0, at: 0, length: PIECE },
      { path: there, dev, ino, begin: 5, at: PIECE, length: PIECE },
    ],
  });
  assertEquals(findings.map(({ verdict }) => verdict), ["right", "right"]);
  const [failure, none] = findings.map(({ failure }) => failure);
  assert(failure);
  assertEquals([failure.problem, failure.path, none], ["io", path, undefined]);
  const written = await Deno.readFile(there);
  assertEquals(
    written,
    new Uint8Array([
      ...new Uint8Array(5),
      ...scene.made.payload.subarray(PIECE, 2 * PIECE),
    ]),
  );
});

Deno.test("SideWriter.for() starts no worker for little", () => {
  assertEquals(SideWriter.for(10 * 1024 * KIB), undefined);
  const isAlone = navigator.hardwareConcurrency === 1;
  assert(isAlone || SideWriter.for(1024 * 1024 * KIB) instanceof SideWriter);
});
