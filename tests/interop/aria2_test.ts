import { testUploadsTo } from "./support/uploads.ts";
import { testDownloadsFrom } from "./support/downloads.ts";
import { ARIA2 } from "./support/clients.ts";

testDownloadsFrom(ARIA2);
testUploadsTo(ARIA2);
