"""The words of a deck's Policy page."""

from __future__ import annotations

from tellapart.web.texts_decks import ACTIONS
from tellapart.web.texts_decks import SCRIPT as _REVIEW

LEAD = (
    "The first rule that decides wins, and only the last one asks the model. See what a change "
    "does to what was decided so far before it counts."
)
RULES = "Rules, in their order"
ALWAYS = "Always"
#: Title, and what the rule does.
RULE_WORDS = {
    "quiet": ("Quiet hours", "Nothing is done in these times of day."),
    "limit": ("Limits", "When so much is done, it stops."),
    "veto": ("Vetoes", "Rules of your own, on any field of the source."),
    "pictures": ("1. Pictures", "What cannot be seen cannot be judged."),
    "likes": ("2. Likes left", "When the service has no more likes for you, it stops."),
    "accept_all": ("3. Accept all", "Like everybody that comes this far."),
    "age": ("4. Declared age", "Out of range is a pass."),
    "distance": ("5. Distance", "Out of range is a pass. Who says none is not out of range."),
    "bio": ("6. The text", "Whole words, in any case; travel* also finds travelling."),
    "model": ("7. The model", "What it has learned from you, asked picture by picture."),
}
ELSE_OUT = "Pass what does not meet it"
IN_USE = "In use"
AT_LEAST = "At least"
LOW = "From"
HIGH = "To"
LOW_KM = "From, km"
HIGH_KM = "To, km"
HOURS = "Times, such as 23:00-07:00"
ZONE = "Time zone"
SESSION = "Acts in one session"
DAY = "Acts in one day"
OUT_OF_LIKES = "Use super likes then; they may cost money"
BIO_REQUIRED = "Pass without a text"
BIO_BAN = "Pass with these words"
BIO_SUPER = "Super like with these words"
BIO_LIKE = "Like with these words"
BIO_WORDS = "Use super likes for them; they may cost money"
THRESHOLD = "Like from a probability of"
GROUP = "Several pictures"
GROUPS = (
    ("first", "The first one that reaches it decides"),
    ("learned", "All together, by a learned score"),
)
CONFIDENT = "Use super likes when it is sure; they may cost money"
CONFIDENCE = "Sure from a probability of"
EXPLORE = "Share liked by chance to learn from, on dry run only"
NO_LIMIT = "no limit"
NO_VETOES = "None. They are written in the file below."
VETOES = "{n} of your own, written in the file below."
AS_FILE = "As a file"
AS_FILE_HINT = (
    "The whole policy in YAML. Once it is changed here, the file counts and not the form above."
)
COMPARE_LEAD = "Change something, then compare."
COMPARE = "Compare"
APPLY = "Apply"
POLICY_DEFAULT = "Back to the default"
DIFFERENCES = "What would change"
#: For the policy's script; capitals stand for values.
SCRIPT = {
    "actions": ACTIONS,
    "nobody": _REVIEW["nobody"],
    "comparing": "Comparing …",
    "same": "Nothing changes: all N decisions stay as they were.",
    "none": "There is nothing to compare with yet. It can be applied.",
    "changed": "N of M decisions change.",
    "changed_one": "1 of M decisions changes.",
    "unsaid": "Of N it cannot be said.",
    "applied": "It counts from the next decision on.",
    "edited": "Changed. Compare to see what it does.",
    "and_more": "and N more",
    "file_counts": "The file counts now.",
    "expected": "Expected",
}
