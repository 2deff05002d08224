/**
 * The help text. Pure.
 *
 * @module
 */

/** The version of the program. */
export const VERSION = "0.1.0";

/** What `--help` prints: it fits a screen of 80 columns. */
export const HELP =
  `btget ${VERSION}: downloads torrents, verified and resumable

Usage: btget [options] SOURCE...

SOURCE is a .torrent file, an http(s) URL of one, or - for standard input.
Run the same command again to go on where it stopped.

Where to
  -d, --dir DIR            download into DIR (default: the current folder)
  -o, --out NAME           call the file or folder NAME
      --allow-overwrite    change files that are not of this torrent
What to do
  -S, --show-files         list the files and stop
  -V, --check-integrity    check every byte on disk, then download what is wrong
      --hash-check-only    check every byte on disk and stop
  -j, --max-concurrent-downloads N   torrents at a time (default: 5)
Peers
      --peer HOST:PORT     connect to this peer; may be repeated
      --no-tracker         ask no tracker
      --max-peers N        peers for each torrent (default: 50)
      --listen-port PORT   a port or a range (default: 6881-6889; 0: any)
When to stop
      --stop SEC           stop after SEC seconds
      --stall-timeout SEC  give up after SEC seconds without progress
What to say, on standard error
      --progress FORM      auto, bar, line, json or none (default: auto)
  -q, --quiet              errors only
  -v, --verbose            everything that happens
  -h, --help; --version

Exit status, the worst of the run: 0 done; 1 unexpected; 2 usage; 3 source not
found; 5 gave up stalled; 6 network; 7 stopped before the end; 9 disk full;
13 exists and is not ours; 15 cannot open or permission denied; 17 disk I/O;
25 not bencoded; 26 bad torrent; 27 bad magnet; 32 data does not match its hash
`;
