import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatEndpoint, parseEndpoint } from "../../src/bytes/endpoint.ts";
import { ProtocolError } from "../../src/errors.ts";
import { PeerExchange, type PexNeighbour } from "../../src/policy/pex.ts";
import {
  encodePexMessage,
  PEX_FLAG,
  type PexContact,
} from "../../src/wire/ut_pex.ts";

const MINUTE_MS = 60_000;

/** A peer at an address; without a contact it cannot be told of. */
function peerAt(
  address: string,
  options: { contact?: string; takesPex?: boolean; flags?: number } = {},
): PexNeighbour {
  const { contact = address, takesPex = true, flags = 0 } = options;
  const listening = parseEndpoint(contact);
  return {
    endpoint: parseEndpoint(address)!,
    contact: listening && { endpoint: listening, flags },
    takesPex,
  };
}

/** A number of peers that can be dialled. */
function peersAt(count: number, port = 6881): PexNeighbour[] {
  return Array.from(
    { length: count },
    (_, i) => peerAt(`20.0.${i >> 8}.${i & 255}:${port}`),
  );
}

function exchange(options: { isPrivate?: boolean } = {}) {
  return new PeerExchange<PexNeighbour>({
    describe: (peer) => peer,
    ...options,
  });
}

/** What a peer is told: `+` those that are added, `-` those that are dropped. */
function toldTo(
  listener: PexNeighbour,
  letters: ReturnType<PeerExchange<PexNeighbour>["tick"]>,
): string[] | undefined {
  const own = letters.filter(({ peer }) => peer === listener);
  assert(own.length <= 1);
  const [letter] = own;
  return letter && [
    ...letter.message.added
      .map(({ endpoint }) => `+${formatEndpoint(endpoint)}`),
    ...letter.message.dropped.map((endpoint) => `-${formatEndpoint(endpoint)}`),
  ];
}

function contactsAt(...addresses: string[]): PexContact[] {
  return addresses.map((text) => ({
    endpoint: parseEndpoint(text)!,
    flags: 0,
  }));
}

function payloadOf(...addresses: string[]): Uint8Array {
  return encodePexMessage({ added: contactsAt(...addresses), dropped: [] });
}

function heard(contacts: readonly PexContact[]): string[] {
  return contacts.map(({ endpoint }) => formatEndpoint(endpoint));
}

Deno.test("PeerExchange.tick() tells each peer of the others, and not of itself", () => {
  const [a, b, c] = [
    peerAt("1.1.1.1:1", { flags: PEX_FLAG.uploadOnly }),
    peerAt("2.2.2.2:2"),
    peerAt("[2001:470::3]:3"),
  ];
  const letters = exchange().tick([a, b, c], 0);
  assertEquals(toldTo(a, letters), ["+2.2.2.2:2", "+[2001:470::3]:3"]);
  assertEquals(toldTo(b, letters), ["+1.1.1.1:1", "+[2001:470::3]:3"]);
  assertEquals(toldTo(c, letters), ["+1.1.1.1:1", "+2.2.2.2:2"]);
  const [{ message }] = letters.slice(1) as [typeof letters[0]];
  assertEquals(message.added[0]!.flags, PEX_FLAG.uploadOnly);
});

Deno.test("PeerExchange.tick() tells what has changed, once a minute", () => {
  const pex = exchange();
  const [a, b, c, d] = [
    peerAt("1.1.1.1:1"),
    peerAt("2.2.2.2:2"),
    peerAt("3.3.3.3:3"),
    peerAt("4.4.4.4:4"),
  ];
  // Alone there is nothing to tell; as soon as there is, it is told.
  assertEquals(pex.tick([a], 0), []);
  assertEquals(toldTo(a, pex.tick([a, b], 5)), ["+2.2.2.2:2"]);
  assertEquals(pex.tick([a, c, d], 4 + MINUTE_MS).length, 2);
  assertEquals(
    toldTo(a, pex.tick([a, c, d], 5 + MINUTE_MS)),
    ["+3.3.3.3:3", "+4.4.4.4:4", "-2.2.2.2:2"],
  );
  // What comes and goes between two messages is not worth a word.
  assertEquals(toldTo(a, pex.tick([a, b, c, d], 6 + MINUTE_MS)), undefined);
  assertEquals(toldTo(a, pex.tick([a, c, d], 5 + 2 * MINUTE_MS)), undefined);
  // A message that was not needed does not put off the next.
  assertEquals(
    toldTo(a, pex.tick([a, c], 6 + 2 * MINUTE_MS)),
    ["-4.4.4.4:4"],
  );
});

Deno.test("PeerExchange.tick() tells no more than fifty and fifty at a time", () => {
  const pex = exchange();
  const listener = peerAt("1.1.1.1:1");
  const first = peersAt(120);
  const second = peersAt(120, 7000);
  const counts: [added: number, dropped: number][] = [];
  for (let minute = 0; minute < 8; minute++) {
    const others = minute < 3 ? first : second;
    const letters = pex.tick([listener, ...others], minute * MINUTE_MS);
    const told = toldTo(listener, letters) ?? [];
    counts.push([
      told.filter((text) => text.startsWith("+")).length,
      told.filter((text) => text.startsWith("-")).length,
    ]);
  }
  assertEquals(counts, [
    [50, 0],
    [50, 0],
    [20, 0],
    [50, 50],
    [50, 50],
    [20, 20],
    [0, 0],
    [0, 0],
  ]);
});

Deno.test("PeerExchange.tick() tells only what is of use", () => {
  const pex = exchange();
  const [far, near, here, mute, unknown] = [
    peerAt("1.1.1.1:1"),
    peerAt("192.168.1.2:2"),
    peerAt("127.0.0.1:3"),
    peerAt("4.4.4.4:4", { takesPex: false }),
    peerAt("5.5.5.5:5", { contact: "" }),
  ];
  const letters = pex.tick([far, near, here, mute, unknown], 0);
  // Nobody is told of a network that is not his.
  assertEquals(toldTo(far, letters), ["+4.4.4.4:4"]);
  assertEquals(toldTo(near, letters), ["+1.1.1.1:1", "+4.4.4.4:4"]);
  assertEquals(toldTo(here, letters), ["+1.1.1.1:1", "+4.4.4.4:4"]);
  assertEquals(toldTo(mute, letters), undefined);
  assertEquals(
    toldTo(unknown, letters),
    ["+1.1.1.1:1", "+4.4.4.4:4"],
  );
});

Deno.test("PeerExchange.tick() tells of the port where a peer listens", () => {
  const pex = exchange();
  const listener = peerAt("1.1.1.1:1");
  const caller = peerAt("2.2.2.2:50000", { contact: "2.2.2.2:6881" });
  const letters = pex.tick([listener, caller], 0);
  assertEquals(toldTo(listener, letters), ["+2.2.2.2:6881"]);
  assertEquals(toldTo(caller, letters), ["+1.1.1.1:1"]);
});

Deno.test("PeerExchange is silent and deaf when the torrent is private", () => {
  const peers = [peerAt("1.1.1.1:1"), peerAt("2.2.2.2:2")];
  const [teller] = peers as [PexNeighbour];
  const known = exchange({ isPrivate: true });
  assertEquals(known.tick(peers, 0), []);
  assertEquals(known.receive(teller, payloadOf("3.3.3.3:3"), 0), []);
  const learnt = exchange();
  assertEquals(learnt.tick(peers, 0).length, 2);
  learnt.forbid();
  assertEquals(learnt.tick([teller], MINUTE_MS), []);
  assertEquals(learnt.receive(teller, payloadOf("3.3.3.3:3"), 0), []);
});

Deno.test("PeerExchange.receive() gives what is news", () => {
  const pex = exchange();
  const [a, b] = [peerAt("1.1.1.1:1"), peerAt("2.2.2.2:2")];
  const payload = payloadOf("3.3.3.3:3", "[2001:470::4]:4", "3.3.3.3:3");
  const told = ["3.3.3.3:3", "[2001:470::4]:4"];
  assertEquals(heard(pex.receive(a, payload, 0)), told);
  assertEquals(heard(pex.receive(a, payload, MINUTE_MS)), []);
  assertEquals(heard(pex.receive(b, payload, 0)), told);
});

Deno.test("PeerExchange.receive() believes nothing of other networks", () => {
  const pex = exchange();
  const payload = payloadOf(
    "127.0.0.1:1",
    "10.0.0.1:2",
    "169.254.0.1:3",
    "203.0.113.1:4",
    "5.5.5.5:5",
    "[::1]:6",
    "[fe80::1]:7",
    "[fd00::1]:8",
    "[2001:470::1]:9",
  );
  const believed = [
    ["1.1.1.1:1", "5.5.5.5:5", "[2001:470::1]:9"],
    ["127.0.0.2:1", "127.0.0.1:1", "5.5.5.5:5", "[::1]:6", "[2001:470::1]:9"],
    [
      "192.168.0.7:1",
      "10.0.0.1:2",
      "5.5.5.5:5",
      "[fd00::1]:8",
      "[2001:470::1]:9",
    ],
  ];
  for (const [teller, ...contacts] of believed) {
    assertEquals(
      heard(pex.receive(peerAt(teller!), payload, 0)),
      contacts,
      teller,
    );
  }
});

Deno.test("PeerExchange.receive() takes few ports of one host, but for its own network", () => {
  const ports = Array.from({ length: 40 }, (_, i) => i + 1);
  const pex = exchange();
  const far = payloadOf(...ports.map((port) => `9.9.9.9:${port}`));
  assertEquals(
    heard(pex.receive(peerAt("1.1.1.1:1"), far, 0)),
    ["9.9.9.9:1", "9.9.9.9:2", "9.9.9.9:3"],
  );
  const here = payloadOf(...ports.map((port) => `127.0.0.1:${port}`));
  assertEquals(pex.receive(peerAt("127.0.0.1:1"), here, 0).length, 40);
});

Deno.test("PeerExchange.receive() takes a thousand contacts of one peer, and no more", () => {
  const pex = exchange();
  const teller = peerAt("1.1.1.1:1");
  let count = 0;
  for (let minute = 0; minute < 100; minute++) {
    const payload = payloadOf(
      ...Array.from({ length: 50 }, (_, i) => `30.${minute}.0.${i}:1`),
    );
    count += pex.receive(teller, payload, minute * MINUTE_MS).length;
  }
  assertEquals(count, 1000);
});

Deno.test("PeerExchange.receive() does not read what comes too often", () => {
  const pex = exchange();
  const teller = peerAt("1.1.1.1:1");
  const garbage = Uint8Array.of(0xff);
  assertEquals(pex.receive(teller, payloadOf("2.2.2.2:2"), 0).length, 1);
  for (let i = 0; i < 20; i++) {
    assertEquals(pex.receive(teller, garbage, 44_999), []);
  }
  assertEquals(pex.receive(teller, payloadOf("3.3.3.3:3"), 45_000).length, 1);
  for (let i = 0; i < 20; i++) pex.receive(teller, garbage, 45_001);
  assertThrows(
    () => pex.receive(teller, garbage, 45_002),
    ProtocolError,
    "far too often",
  );
  // The others are not to blame.
  const other = peerAt("4.4.4.4:4");
  assertEquals(pex.receive(other, payloadOf("3.3.3.3:3"), 45_000).length, 1);
});

Deno.test("PeerExchange.receive() lets a peer go that sends no message", () => {
  assertThrows(
    () => exchange().receive(peerAt("1.1.1.1:1"), Uint8Array.of(0xff), 0),
    ProtocolError,
    "Cannot decode ut_pex",
  );
});
