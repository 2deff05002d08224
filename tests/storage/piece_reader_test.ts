import { assert, assertEquals, assertThrows } from "@std/assert";
import { StorageError } from "../../src/errors.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import { PieceReader } from "../../src/storage/piece_reader.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";

/** Writes files, and reads a part of the row that they stand in. */
function read(
  files: readonly (string | undefined)[],
  options: { lengths: number[]; at?: number; length?: number },
): string | undefined {
  using folder = new TempFolder();
  const paths = files.map((text, i) => {
    const path = folder.join(String(i));
    if (text !== undefined) Deno.writeTextFileSync(path, text);
    return path;
  });
  const layout = new PieceLayout(4, options.lengths);
  using reader = new PieceReader(layout, paths);
  const { at = 0, length = layout.length } = options;
  const buffer = new Uint8Array(length).fill(0x2e);
  if (!reader.readSync(at, buffer)) return undefined;
  return new TextDecoder().decode(buffer);
}

Deno.test("PieceReader.readSync() reads across files, empty ones too", () => {
  const lengths = [1, 0, 5, 0, 2];
  const files = ["a", "", "bcdef", "", "gh"];
  assertEquals(read(files, { lengths }), "abcdefgh");
  for (let at = 0; at < 8; at++) {
    for (let end = at; end <= 8; end++) {
      assertEquals(
        read(files, { lengths, at, length: end - at }),
        "abcdefgh".slice(at, end),
      );
    }
  }
});

Deno.test("PieceReader.readSync() tells when bytes are missing", () => {
  const lengths = [2, 3];
  assertEquals(read(["ab", undefined], { lengths }), undefined);
  assertEquals(read(["ab", "cd"], { lengths }), undefined);
  assertEquals(read(["", "cde"], { lengths }), undefined);
  assertEquals(read(["ab", "cd"], { lengths, length: 4 }), "abcd");
  assertEquals(read(["ab", undefined], { lengths, length: 2 }), "ab");
});

Deno.test("PieceReader.readSync() leaves out what a file has too much", () => {
  assertEquals(read(["ab!!", "cde!"], { lengths: [2, 3] }), "abcde");
});

Deno.test("PieceReader.readSync() takes a path that is none for zeros", () => {
  using reader = new PieceReader(new PieceLayout(4, [3, 5]), []);
  const buffer = new Uint8Array(8).fill(1);
  assert(reader.readSync(0, buffer));
  assertEquals(buffer, new Uint8Array(8));
});

Deno.test("PieceReader.readSync() reads beyond 4 GiB", () => {
  using folder = new TempFolder();
  const path = folder.join("big");
  const size = 5 * 1024 ** 3 + 3;
  {
    using file = Deno.openSync(path, { write: true, create: true });
    file.seekSync(size - 3, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode("end"));
  }
  using reader = new PieceReader(new PieceLayout(16, [1, size]), [
    undefined,
    path,
  ]);
  const buffer = new Uint8Array(4);
  assert(reader.readSync(1 + size - 4, buffer));
  assertEquals(new TextDecoder().decode(buffer), "\0end");
});

Deno.test("PieceReader.readSync() fails for what is no file", () => {
  using folder = new TempFolder();
  const layout = new PieceLayout(4, [4]);
  using reader = new PieceReader(layout, [folder.path]);
  const error = assertThrows(
    () => reader.readSync(0, new Uint8Array(4)),
    StorageError,
    folder.path,
  );
  assertEquals(error.problem, "exists");
});

Deno.test("PieceReader keeps eight files open, and none in the end", {
  ignore: Deno.build.os !== "linux",
}, () => {
  using folder = new TempFolder();
  const payload = randomBytes(300, seededRandom(1));
  const paths = Array.from({ length: 100 }, (_, i) => {
    const path = folder.join(String(i));
    Deno.writeFileSync(path, payload.subarray(3 * i, 3 * i + 3));
    return path;
  });
  const openFiles = () =>
    [...Deno.readDirSync("/proc/self/fd")]
      .filter(({ name }) => targetOf(name).startsWith(folder.path)).length;
  {
    const layout = new PieceLayout(300, Array(100).fill(3));
    using reader = new PieceReader(layout, paths);
    const buffer = new Uint8Array(300);
    assert(reader.readSync(0, buffer));
    assertEquals(buffer, payload);
    const afterOne = openFiles();
    assert(reader.readSync(0, buffer));
    assertEquals(openFiles(), afterOne);
    assert(afterOne >= 8 && afterOne <= 16, `${afterOne}`);
  }
  assertEquals(openFiles(), 0);
});

function targetOf(descriptor: string): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
  } catch (error) {
    // The one that listed the others is gone.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
