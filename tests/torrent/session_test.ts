import { assert, assertEquals } from "@std/assert";
import { UdpSocket } from "../../src/net/udp.ts";
import { Session } from "../../src/torrent/session.ts";

Deno.test("Session.udpSocket() has the number of the port that others connect to", async () => {
  await using session = new Session({ listenPorts: [0] });
  const socket = session.udpSocket();
  assertEquals(socket.port, session.port);
  assert(session.udpSocket() === socket);
});

Deno.test("Session.udpSocket() takes another port where that is taken", async () => {
  await using session = new Session({ listenPorts: [0] });
  await using _taken = UdpSocket.open({ ports: [session.port!] });
  assert(session.udpSocket().port !== session.port);
});

Deno.test("Session.udpSocket() needs nobody to listen", async () => {
  await using session = new Session({ listenPorts: [] });
  assert(session.udpSocket().port > 0);
});
