"""The rules as they are shipped, read once for all tests of a process."""

from service.match.matcher import Matcher
from service.rules.load import default_folder, load_packs

MATCHER = Matcher(load_packs(default_folder()))
