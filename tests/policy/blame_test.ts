import { assert, assertEquals } from "@std/assert";
import { BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import { leavesOf } from "../../src/metainfo/merkle.ts";
import { Blame } from "../../src/policy/blame.ts";
import { seededRandom } from "../support/seeded_random.ts";

/** A piece whose blocks begin with the characters of a text. */
function pieceOf(text: string): Uint8Array {
  const piece = new Uint8Array(text.length * BLOCK_LENGTH);
  [...text].forEach((character, at) =>
    piece[at * BLOCK_LENGTH] = character.charCodeAt(0)
  );
  return piece;
}

Deno.test("Blame.failed() convicts the only giver at once", () => {
  const blame = new Blame<string>();
  const piece = pieceOf("abX");
  assertEquals(
    blame.failed(0, { piece, givers: ["liar", "liar", "liar"] }),
    "liar",
  );
  assertEquals(blame.failed(1, { piece, givers: ["liar"] }), "liar");
  assertEquals(blame.verified(0, pieceOf("abc")), new Set());
});

Deno.test("Blame.verified() convicts who gave other bytes", async (t) => {
  const table: Record<string, {
    attempts: [text: string, givers: string][];
    right: string;
    liars: string;
  }> = {
    "one of two": { attempts: [["aX", "hl"]], right: "ab", liars: "l" },
    "one with several blocks": {
      attempts: [["XbX", "lhl"]],
      right: "abc",
      liars: "l",
    },
    "two of three": { attempts: [["XXc", "lmh"]], right: "abc", liars: "lm" },
    "one in each attempt": {
      attempts: [["aX", "hl"], ["Xb", "mh"]],
      right: "ab",
      liars: "lm",
    },
    "the same in both": {
      attempts: [["aX", "hl"], ["Yb", "lh"]],
      right: "ab",
      liars: "l",
    },
    "who gave a right block and a wrong one": {
      attempts: [["abXd", "lhlh"]],
      right: "abcd",
      liars: "l",
    },
    "nobody who only gave what was right": {
      attempts: [["abX", "mhl"], ["abY", "hml"]],
      right: "abc",
      liars: "l",
    },
  };
  for (const [name, { attempts, right, liars }] of Object.entries(table)) {
    await t.step(name, () => {
      const blame = new Blame<string>();
      for (const [text, givers] of attempts) {
        const failed = { piece: pieceOf(text), givers: [...givers] };
        assertEquals(blame.failed(7, failed), undefined);
      }
      assertEquals(blame.verified(7, pieceOf(right)), new Set(liars));
      // The matter is closed.
      assertEquals(blame.verified(7, pieceOf(right)), new Set());
    });
  }
});

Deno.test("Blame.verified() convicts by the SHA-256 of blocks as well", () => {
  const blame = new Blame<string>();
  const leaves = leavesOf(pieceOf("aXc"));
  blame.failed(0, { leaves, givers: ["h", "l", "i"] });
  leaves.fill(0);
  assertEquals(blame.verified(0, pieceOf("abc")), new Set("l"));
});

Deno.test("Blame.failed() remembers the bytes, not the buffer", () => {
  const blame = new Blame<string>();
  const piece = pieceOf("aX");
  blame.failed(0, { piece, givers: ["h", "l"] });
  piece.set(pieceOf("Yb"));
  assertEquals(blame.verified(0, pieceOf("ab")), new Set("l"));
});

Deno.test("Blame.verified() compares the short last block as well", () => {
  const blame = new Blame<string>();
  const piece = pieceOf("ab").subarray(0, BLOCK_LENGTH + 5);
  const wrong = piece.slice();
  wrong[wrong.length - 1] = 1;
  blame.failed(0, { piece: wrong, givers: ["h", "l"] });
  assertEquals(blame.verified(0, piece), new Set("l"));
});

Deno.test("Blame keeps pieces apart", () => {
  const blame = new Blame<string>();
  blame.failed(0, { piece: pieceOf("aX"), givers: ["h", "l"] });
  blame.failed(1, { piece: pieceOf("Xb"), givers: ["m", "h"] });
  assertEquals(blame.verified(2, pieceOf("ab")), new Set());
  assertEquals(blame.verified(1, pieceOf("ab")), new Set("m"));
  assertEquals(blame.verified(0, pieceOf("ab")), new Set("l"));
});

Deno.test("Blame remembers a bounded number of pieces, the oldest goes", () => {
  const blame = new Blame<string>();
  const fail = (index: number) =>
    blame.failed(index, { piece: pieceOf("aX"), givers: ["h", "l"] });
  for (let index = 0; index < 256; index++) fail(index);
  // The same piece again takes nobody's place, not even its own.
  fail(0);
  assertEquals(blame.verified(0, pieceOf("ab")), new Set("l"));
  fail(256);
  fail(257);
  assertEquals(blame.verified(1, pieceOf("ab")), new Set());
  assertEquals(blame.verified(2, pieceOf("ab")), new Set("l"));
});

Deno.test("Blame remembers a bounded number of attempts, the oldest goes", () => {
  const blame = new Blame<string>();
  for (let attempt = 0; attempt < 9; attempt++) {
    const givers = [`liar ${attempt}`, "h"];
    blame.failed(0, { piece: pieceOf("Xb"), givers });
  }
  const liars = blame.verified(0, pieceOf("ab"));
  assertEquals(liars.size, 8);
  assert(!liars.has("liar 0") && liars.has("liar 8"));
});

Deno.test("Blame convicts every liar and nobody else, whoever gives what", () => {
  const RIGHT = "abcd";
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const peers = Array.from({ length: 6 }, (_, i) => ({ isLiar: i < 2 }));
    const blame = new Blame<typeof peers[number]>();
    const convicted = new Set<typeof peers[number]>();
    const lied = new Set<typeof peers[number]>();
    for (let attempt = 0; attempt < 6; attempt++) {
      const givers = Array.from(
        RIGHT,
        () => peers[Math.floor(random() * peers.length)]!,
      );
      const text = givers.map((giver, at) => {
        const lies = giver.isLiar && random() < 0.5;
        if (lies) lied.add(giver);
        return lies ? "X" : RIGHT[at]!;
      }).join("");
      if (text === RIGHT) continue;
      const liar = blame.failed(0, { piece: pieceOf(text), givers });
      if (liar) convicted.add(liar);
    }
    for (const liar of blame.verified(0, pieceOf(RIGHT))) convicted.add(liar);
    assertEquals(convicted, lied, `seed ${seed}`);
  }
});
