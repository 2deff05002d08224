import { type Metainfo, placeFiles, type Session } from "../../../src/mod.ts";
import type { ReceivingJob } from "../receiving.ts";

/**
 * Adds a download that is begun from nothing, from peers on loopback alone.
 *
 * @param session Where to.
 * @param metainfo The torrent.
 * @param job Where the peers listen, and where the payload goes.
 * @returns The download.
 */
export function addDownload(
  session: Session,
  metainfo: Metainfo,
  { folder, ports }: Pick<ReceivingJob, "folder" | "ports">,
) {
  return session.add(metainfo, {
    places: () => placeFiles(metainfo, { folder }),
    trackers: [],
    peers: ports.map((port) => ({ hostname: "127.0.0.1", port })),
    maxPeers: ports.length,
    canRead: true,
    canWrite: true,
    mustCheckAll: false,
    mayOverwrite: false,
    isCheckOnly: false,
  })!;
}
