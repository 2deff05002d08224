import { testDownloadsFrom } from "./support/downloads.ts";
import { QBITTORRENT } from "./support/clients.ts";
import { testUploadsTo } from "./support/uploads.ts";

testDownloadsFrom(QBITTORRENT);
testUploadsTo(QBITTORRENT);
