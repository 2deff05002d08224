import { testUploadsTo } from "./support/uploads.ts";
import { testDownloadsFrom } from "./support/downloads.ts";
import { QBITTORRENT } from "./support/clients.ts";

testDownloadsFrom(QBITTORRENT);
testUploadsTo(QBITTORRENT);
