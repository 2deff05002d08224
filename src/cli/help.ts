/**
 * The help text. Pure.
 *
 * @module
 */

import { VERSION } from "../version.ts";

/** What `--help` prints: it fits a screen of 80 columns. */
export const HELP =
  `btget ${VERSION}: downloads torrents, verified and resumable

Usage: btget [options] SOURCE...         download
       btget seed [options] SOURCE...    check what is there, and serve it
       btget create, show, verify, edit  make, read, check and change torrents;
                                         'btget create -h' says how

SOURCE is a .torrent file, its http(s) URL, a magnet link, an info hash, or -.
Run the same command again to go on where it stopped.

  -d, --dir DIR            download into DIR (default: the current folder)
  -o, --out NAME           call the file or folder NAME
      --allow-overwrite    change files that are not of this torrent
  -S, --show-files         list the files and stop, as 'btget show' does
      --scrape             ask the trackers too how many have it
  -V, --check-integrity    check every byte on disk, then download what is wrong
      --hash-check-only    check every byte on disk and stop
      --metadata-only, --save-metadata    write the .torrent file: only, or too
  -c, --continue           go on where it stopped: this is always so
  -j, --max-concurrent-downloads N    work on N torrents at a time (default: 5)
Peers
      --peer HOST:PORT, --web-seed URL    ask this one too; may be repeated
      --bt-tracker URLS    ask these too (URL,URL...); may be repeated
      --bt-exclude-tracker URLS    do not ask these of the torrent's; * for all
      --no-tracker, --no-dht, --no-lsd    look for nobody there
      --dht-bootstrap HOST:PORT    find into the DHT there; may be repeated
      --dht-file FILE      keep nodes of the DHT in FILE between runs
      --max-peers N        have at most N peers for a torrent (default: 50)
      --max-peers-total N  have at most N for all torrents (default: 200)
      --listen-port PORT   a port or a range (default: 6881-6889; 0: any)
      --max-download-limit RATE    receive at most RATE bytes/s (such as 500K)
      --max-upload-limit RATE      send at most RATE, all torrents together
When to stop
      --seed-ratio R       serve others until R times the torrent was sent
      --seed-time MIN      serve others for MIN minutes
      --super-seed         seed: reveal pieces one by one, to send few twice
      --stop SEC           stop after SEC seconds
      --stall-timeout SEC  give up after SEC seconds without progress
What to say, on standard error
      --progress FORM      auto, bar, line, json or none (default: auto)
  -q, --quiet, -v, --verbose              errors only; everything that happens
  -h, --help, --version    this text; the version

Exit status, the worst of the run:
   0 done                     6 nobody reached         17 disk error
   1 unexpected error         7 stopped before         25 not a torrent
   2 usage                    9 disk full              26 unusable torrent
   3 source not found        13 not our file there     27 magnet link
   5 no progress             15 not permitted          32 wrong data
`;
