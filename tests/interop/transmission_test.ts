import { testDownloadsFrom } from "./support/downloads.ts";
import { TRANSMISSION } from "./support/seeders.ts";

testDownloadsFrom(TRANSMISSION);
