"""The words of the Pictures page."""

from __future__ import annotations

LEAD = (
    "A click keeps a picture or sets it aside. Nothing is deleted, and the next training learns "
    "from what is kept."
)
FILTERS = "Which pictures are shown"
SHOW = "Show"
SHOW_ALL = "All"
SHOW_KEPT = "Kept"
SHOW_ASIDE = "Set aside"
SHOW_ALIKE = "Look-alikes"
CLASS = "Class"
EVERY_CLASS = "Every class"
REASON = "Reason"
EVERY_REASON = "Every reason"
OF_COUNT = "{name} ({count:,})"
GALLERY = "The pictures"
NOTHING = "No picture is like that."
NONE_YET = "There are no pictures yet."
NONE_YET_DO = "They arrive while the run collects them."
TO_RUN = "Watch the run"
NOT_PICTURES = "This project learns from {what}, which are looked at on its Model page."
KIND_WORDS = {"arrays": "a data set by name", "table": "rows of a table"}
TO_MODEL = "To the model"
UNDO = "Undo"

#: For the gallery's script; N stands for a number.
SCRIPT = {
    "keep": "Keep",
    "details": "More about",
    "shown": "N pictures",
    "shown_one": "1 picture",
    "groups": "N groups of look-alikes",
    "groups_one": "1 group of look-alikes",
    "no_groups": "No two pictures look alike.",
    "were_kept": "N kept.",
    "were_dropped": "N set aside.",
    "given_back": "N given back to the rules.",
    "undone": "Taken back: N.",
    "is_kept": "Kept",
    "is_aside": "Set aside",
    "by_hand": "by hand",
    "moved": "Moved to LABEL.",
    "group": "N that look alike: LABEL",
    "keep_best": "Keep only the best",
    "keep_all": "Keep all",
    "drop_all": "Set all aside",
    "more_groups": "More groups",
    "changes": "N pictures change sides.",
    "changes_one": "1 picture changes sides.",
    "no_changes": "No picture changes sides.",
    "would_go": "Would be set aside, such as",
    "would_stay": "Would be kept, such as",
    "off": "off",
}

#: Why a picture is set aside, in the few words that a tile has room for.
REASONS = {
    "unreadable": "cannot be read",
    "too_small": "too small",
    "low_information": "nearly blank",
    "blurred": "blurred",
    "exact_duplicate": "same file again",
    "near_duplicate": "look-alike",
    "conflicting_label": "in two classes",
    "off_topic": "unlike its class",
    "mislabelled": "looks like another class",
    "by_hand": "by hand",
}

VIEWER = "One picture"
BEFORE = "Previous picture"
NEXT = "Next picture"
CLOSE = "Close"
KEEP = "Keep"
DROP = "Set aside"
RULES = "Leave it to the rules"
MOVE = "Class"

THRESHOLDS = "Rules"
THRESHOLDS_LEAD = "Move one, and all pictures are decided again at once."
SWITCHED_ON = "in use"
#: Name and what it does, by the recipe's key.
SLIDERS = {
    "min_side": ("Shortest side", "Smaller pictures are set aside, in pixels."),
    "min_entropy": ("Least detail", "Plainer pictures are set aside, in bits."),
    "near_duplicate_bits": ("Look-alikes by pattern", "Higher: more count as the same, in bits."),
    "near_duplicate_cosine": ("Look-alikes by content", "Lower: more count as the same."),
    "near_duplicate_likeness": (
        "Look-alikes laid over each other",
        "Lower: more crops, mirrored and marked copies count as the same; 1 is off.",
    ),
    "off_topic": ("Fit to the class", "Pictures that fit less are set aside; 1 is typical."),
    "mislabelled": ("Doubtful class", "Chance of its class below which a picture is doubted."),
    "max_blur": ("Most blur", "More blurred pictures are set aside."),
}

AGAIN = "Train again"
AGAIN_LEAD = "With the pictures as they are kept now. Mostly a matter of seconds."
AGAIN_DO = "Train with these pictures"
AGAIN_QUEUED = "In the queue; {ahead} before it."
AGAIN_RUNNING = "At work: {step}."
AGAIN_DONE = "Version {version} is here: {accuracy} right."
AGAIN_BEFORE = "It was {accuracy} before."
AGAIN_FAILED = "The training failed."
AGAIN_CANCELLED = "The training was cancelled."
AGAIN_WATCH = "Watch the run"
AGAIN_LOOK = "Look at the model"

KEYS = "By keyboard"
KEY_ROWS = (
    ("Space", "keep or set aside"),
    ("← ↑ ↓ →", "go from picture to picture"),
    ("K", "keep"),
    ("X", "set aside"),
    ("U", "leave it to the rules"),
    ("I", "see it large, with its origin"),
    ("Ctrl Z", "undo"),
)
KEYS_RANGE = "With Shift, a click decides on all from the one clicked before."

SPLITS = {
    "train": "to learn from",
    "validation": "to check on while learning",
    "test": "to measure on",
    "aside": "in none",
}
FACT_TITLE = "Title"
FACT_SOURCE = "Found by"
FACT_PAGE = "Page"
FACT_CREATOR = "Creator"
FACT_LICENSE = "Licence"
FACT_UNKNOWN = "unknown: stays out of bundles and exports"
FACT_SIZE = "Size"
FACT_SPLIT = "Part"
FACT_WHY = "Why"
