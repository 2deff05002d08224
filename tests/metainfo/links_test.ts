import { type BencodeInput, encodeBencode } from "../../src/bytes/bencode.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { assertEquals } from "@std/assert";

/** A link, and where it leads: paths with slashes. */
type Link = [path: string, target: string | BencodeInput];

function elements(path: string | BencodeInput): BencodeInput {
  return typeof path === "string" ? path.split("/") : path;
}

/** Where the links of a torrent lead, by their paths below its folder. */
function targets(
  files: readonly string[],
  links: readonly Link[],
): Record<string, string | undefined> {
  const bytes = encodeBencode({
    info: {
      name: "t",
      files: [
        ...links.map(([path, target]) => ({
          attr: "l",
          path: elements(path),
          "symlink path": elements(target),
        })),
        ...files.map((path) => ({ length: 1, path: elements(path) })),
      ],
      "piece length": 16_384,
      pieces: new Uint8Array(20),
    },
  });
  const { files: parsed } = parseMetainfo(bytes);
  const found = parsed.filter(({ kind }) => kind === "symlink")
    .map(({ path, target }) => {
      assertEquals(target?.[0] ?? "t", "t");
      return [path.slice(1).join("/"), target?.slice(1).join("/")];
    });
  return Object.fromEntries(found);
}

Deno.test("parseMetainfo() follows links as libtorrent's suite wants", async (t) => {
  await t.step("sanitize_symlinks", () => {
    const links: Link[] = [
      ["0", "/invalid/target/path"],
      ["1", "ZZ"],
      ["2", "B/B/ZZ"],
      ["3", "0"],
      ["4", "A"],
      ["5", "4/B"],
      ["6", "5/C"],
      ["7", "4/B/C/ZZ"],
    ];
    assertEquals(targets(["A/B/C"], links), {
      "0": undefined,
      "1": undefined,
      "2": undefined,
      // There it leads to a link that leads to itself.
      "3": undefined,
      "4": "A",
      "5": "4/B",
      "6": "5/C",
      "7": undefined,
    });
  });
  await t.step("cascade", () => {
    const links: Link[] = [
      ["0", "1/ZZ"],
      ...[1, 2, 3, 4, 5, 6].map((i): Link => [`${i}`, `${i + 1}`]),
      ["7", "A"],
      ["no-exist", "1/ZZZ"],
    ];
    const found = targets(["A/ZZ"], links);
    assertEquals(found["no-exist"], undefined);
    delete found["no-exist"];
    assertEquals(
      Object.entries(found),
      links.slice(0, -1) as [string, string][],
    );
  });
  await t.step("circular", () => {
    const links: Link[] = [["0", "1"], ["1", "0"], ["2", "0/ZZ"]];
    // There the two that form a ring are kept.
    assertEquals(Object.values(targets(["A/ZZ"], links)), [
      undefined,
      undefined,
      undefined,
    ]);
  });
  await t.step("lexicographic", () => {
    const found = targets(["A.bar/leaf", "A/B/leaf"], [["sym", "A"]]);
    assertEquals(found, { sym: "A" });
  });
});

Deno.test("parseMetainfo() gives no target to a link that leads out or nowhere", async (t) => {
  const table: [name: string, target: string | BencodeInput][] = [
    ["up", "../x"],
    ["up and down again", "d/../f"],
    ["up, in one name", ["../f"]],
    ["/etc, in one name", ["/etc"]],
    ["/etc", "/etc"],
    ["itself", "link"],
    ["below a file", "f/x"],
    ["below itself", "link/f"],
    ["the folder of the torrent", ""],
    ["the folder of the torrent, with a dot", "."],
    ["no list", 5],
    ["no names", [5]],
    ["another case", "F"],
  ];
  for (const [name, target] of table) {
    await t.step(name, () => {
      assertEquals(targets(["f", "d/g"], [["link", target]]), {
        link: undefined,
      });
    });
  }
});

Deno.test("parseMetainfo() leads links to files by the names that they get", async (t) => {
  const table: [
    name: string,
    files: string[],
    links: Link[],
    expected: Record<string, string | undefined>,
  ][] = [
    ["without dots", ["d/f"], [["l", "./d//f"]], { l: "d/f" }],
    ["a name that is changed", ["d\n/f\\"], [["l", "d\n/f\\"]], {
      l: "d_/f_",
    }],
    ["a file whose name is taken", ["L/x", "f"], [["L", "f"], ["m", "L/x"]], {
      "L.1": "f",
      m: "L/x",
    }],
    ["of two files the first", ["f", "f"], [["l", "f"]], { l: "f" }],
    ["a folder that it lies in", ["d/f"], [["d/l", "d"]], { "d/l": "d" }],
    ["from its own folder, as macOS frameworks have them", ["d/A/f"], [
      ["f", "d/now/f"],
      ["d/now", "A"],
    ], { f: "d/now/f", "d/now": "d/A" }],
    ["from the torrent's folder first", ["d/f", "f"], [["d/l", "f"]], {
      "d/l": "f",
    }],
    ["up by way of its own folder", ["d/f"], [["d/e/l", "d/f"]], {
      "d/e/l": "d/f",
    }],
  ];
  for (const [name, files, links, expected] of table) {
    await t.step(name, () => assertEquals(targets(files, links), expected));
  }
});

Deno.test("parseMetainfo() follows a row of 40 links, as Linux does, and no longer one", () => {
  const row = (length: number) =>
    targets(
      ["f"],
      Array.from({ length }, (_, i): Link => [`${i}`, `${i + 1}`])
        .with(-1, [`${length - 1}`, "f"]),
    );
  assertEquals(row(40)["0"], "1");
  assertEquals(row(100_000)["0"], undefined);
});
