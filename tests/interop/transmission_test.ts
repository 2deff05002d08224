import { testDownloadsFrom } from "./support/downloads.ts";
import { TRANSMISSION } from "./support/clients.ts";
import { testUploadsTo } from "./support/uploads.ts";

testDownloadsFrom(TRANSMISSION);
testUploadsTo(TRANSMISSION);
