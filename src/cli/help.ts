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
       btget show [options] SOURCE...

SOURCE is a .torrent file, an http(s) URL of one, or - for standard input.
Run the same command again to go on where it stopped.

Where to
  -d, --dir DIR            download into DIR (default: the current folder)
  -o, --out NAME           call the file or folder NAME
      --allow-overwrite    change files that are not of this torrent
What to do
  -S, --show-files         list the files and stop, as 'btget show' does
      --scrape             ask the trackers too how many have it
  -V, --check-integrity    check every byte on disk, then download what is wrong
      --hash-check-only    check every byte on disk and stop
  -c, --continue           go on where it stopped: this is always so
  -j, --max-concurrent-downloads N
                           work on N torrents at a time (default: 5)
Peers
      --peer HOST:PORT     connect to this peer; may be repeated
      --bt-tracker URLS    ask these too (URL,URL...); may be repeated
      --bt-exclude-tracker URLS
                           do not ask these of the torrent's; * for all
      --no-tracker         ask no tracker
      --max-peers N        have at most N peers for a torrent (default: 50)
      --max-peers-total N  have at most N for all torrents (default: 200)
      --listen-port PORT   a port or a range (default: 6881-6889; 0: any)
Rates in bytes per second (500K, 2M; 0: no limit), for all torrents together
      --max-download-limit RATE
                           receive at most RATE
      --max-upload-limit RATE
                           send at most RATE
When to stop
      --stop SEC           stop after SEC seconds
      --stall-timeout SEC  give up after SEC seconds without progress
What to say, on standard error
      --progress FORM      auto, bar, line, json or none (default: auto)
  -q, --quiet              errors only
  -v, --verbose            everything that happens
  -h, --help               this text
      --version            the version

Exit status, the worst of the run:
   0 done                             13 something else lies where a file goes
   1 unexpected error                 15 cannot open, or not permitted
   2 usage                            17 disk error
   3 source not found                 25 not a torrent
   5 no progress for too long         26 a torrent that cannot be used
   6 network, or nobody reached       27 a magnet link, which cannot be used
   7 stopped before the end           32 data that does not match its hash
   9 disk full
`;
