import { testDownloadsFrom } from "./support/downloads.ts";
import { QBITTORRENT } from "./support/seeders.ts";

testDownloadsFrom(QBITTORRENT);
