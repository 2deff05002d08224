import { assertEquals } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { type Listener, News } from "../../src/torrent/news.ts";
import { encodeMessages } from "../../src/wire/message.ts";
import { MessageDecoder } from "../../src/wire/message_stream.ts";

/** A peer that notes what it is told: `x` for a piece that it has. */
function listener(have: string): Listener & { told: number[][] } {
  const bitfield = new Bitfield(have.length);
  [...have].forEach((mark, index) => mark === "x" && bitfield.add(index));
  const told: number[][] = [];
  return {
    state: { have: bitfield },
    told,
    send(message) {
      const said = new MessageDecoder(have.length).push(
        encodeMessages([message]),
      );
      told.push(
        said.map((message) => message.type === "have" ? message.index : -1),
      );
    },
  };
}

Deno.test("News.tell() tells peers of the pieces that they lack, once", () => {
  const news = new News();
  const peers = [listener("...."), listener("x.x."), listener("xxxx")];
  for (const index of [2, 0, 1]) news.add(index);
  news.tell(peers);
  assertEquals(peers.map(({ told }) => told), [[[2, 0, 1]], [[1]], []]);
  news.add(3);
  news.tell(peers);
  assertEquals(peers.map(({ told }) => told.at(-1)), [[3], [3], undefined]);
});

Deno.test("News.tell() says nothing of a piece that was lost meanwhile", () => {
  const news = new News();
  const peer = listener("..");
  news.add(0);
  news.add(1);
  news.delete(0);
  news.tell([peer]);
  assertEquals(peer.told, [[1]]);
});

Deno.test("News.add() says which piece is the first to wait", () => {
  const news = new News();
  assertEquals([2, 1].map((index) => news.add(index)), [true, false]);
  news.tell([]);
  assertEquals(news.add(0), true);
});

Deno.test("News.intervalMs() grows with the number of peers", () => {
  const peers = [0, 1, 40, 41, 500];
  assertEquals(peers.map(News.intervalMs), [20, 20, 20, 20.5, 250]);
});
