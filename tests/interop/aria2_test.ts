import { testDownloadsFrom } from "./support/downloads.ts";
import { ARIA2 } from "./support/clients.ts";
import { testUploadsTo } from "./support/uploads.ts";

testDownloadsFrom(ARIA2);
testUploadsTo(ARIA2);
