"""The words of the Curation page."""

from __future__ import annotations

LEAD = (
    "What the pictures consist of, and what may mislead a model. Looking changes nothing; whatever "
    "you do can be undone at any time."
)
LOOKS = "What is looked at"
#: Value in the address, and its word.
LOOK = (
    ("clusters", "Clusters"),
    ("doubtful", "Doubtful"),
    ("copies", "Copies"),
    ("slices", "Slices"),
    ("shortcuts", "Shortcuts"),
    ("rules", "Rules"),
    ("collecting", "Sources"),
    ("acts", "History"),
)
NOTHING_YET = "There are no pictures yet."
NOTHING_YET_DO = "They can be looked at as soon as the run has collected and curated them."

#: For the page's script; N, M, LABEL and the like stand for what is filled in.
SCRIPT = {
    "wait": "Looking at the pictures. The first time takes some seconds.",
    "again": "Try again",
    "undo": "Undo",
    "redo": "Do it again",
    "more": "Show more",
    "every_class": "Every class",
    "class": "Class",
    "done": "N changed.",
    "done_one": "1 changed.",
    "same": "It was so already.",
    "left": "N stay as a later act wants them.",
    "taken_back": "Taken back: N.",
    "next_time": "The rules decide anew with the next training.",
    "picture_of": "Picture of LABEL",
    # Clusters
    "clusters_lead": (
        "Parts of a class that stand apart from the rest of it. A part may well belong; where it "
        "does not, set it aside as a whole."
    ),
    "suspect": "worth a look",
    "kept_of": "N of M kept",
    "looks_like": "mostly taken for LABEL",
    "one_kind": "All of a kind",
    "keep_part": "Keep all",
    "drop_part": "Set all aside",
    "give_back": "Leave to the rules",
    "better": "Instead of these, search for",
    "better_without": "without",
    "take": "Put it into the recipe",
    "taken": "The next run of this project searches for it.",
    "no_clusters": "Every class is all of a kind.",
    "typical": "Typical pictures",
    "show_all": "Show all N",
    # Doubtful labels
    "doubtful_lead": (
        "The label that is the least likely to be right comes first, as a model says that had not "
        "seen the picture."
    ),
    "doubtful_count": "N of M are doubtful.",
    "no_doubts": "No label is doubtful.",
    "is_label": "Labelled LABEL, sure to P",
    "seems": "looks like LABEL, sure to P",
    "wrong_label": "wrong label",
    "foreign": "fits no class",
    "hard": "hard",
    "keep": "Keep",
    "drop": "Set aside",
    "move": "It is LABEL",
    "is_kept": "kept",
    "is_aside": "set aside",
    "keys": (
        "By keyboard: J and L to the next and the one before, K keep, X set aside, R takes the "
        "other class, U leaves it to the rules."
    ),
    # Copies
    "copies_lead": "Pictures that show the same, the best of each group first.",
    "no_copies": "No two pictures look alike.",
    "copies_count": "N groups",
    "copies_count_one": "1 group",
    "best": "best",
    "best_for": "Best: WHY",
    "stays": "stays",
    "not_settled": "another one stays",
    "in_two": "in two classes",
    "keep_best": "Keep the best",
    "keep_all": "Keep all",
    # Slices
    "slices_lead": (
        "How well pictures of a kind are told. “Elsewhere” is what would be expected of the same "
        "classes outside of the slice."
    ),
    "basis": "Measured on",
    "held_out": "every picture",
    "test": "the model's test pictures",
    "overall": "All N pictures: P right (L to H).",
    "slice_head": ["Slice", "Pictures", "Right", "95 % interval", "Elsewhere"],
    "slices_caption": "Accuracy by slice",
    "weak": "weak",
    "wrong_ones": "Told wrongly",
    "no_slices": "There is no slice large enough.",
    # Shortcuts
    "shortcuts_lead": (
        "Classes that something beside the point gives away. A model may learn that instead of "
        "the thing."
    ),
    "no_shortcuts": "Nothing stood out among N pairs of class and cue.",
    "by_cue": "told by the cue alone: P (L to H; chance is 50 %)",
    "agreeing": "Where the cue agrees, pictures are told rightly to P; where it contradicts, to Q.",
    "given_away": "Given away",
    "against": "Not given away",
    # Rules
    "rules_lead": "Move rules and see what would change. Nothing changes until you use them.",
    "use_rules": "Use these rules",
    "reset_rules": "As they are",
    "in_use": "in use",
    "rules_used": "The pictures were decided again.",
    "no_change": "No picture would change.",
    "kept_then": "Kept: N now, M then.",
    "gained": "N would be kept",
    "lost": "N would be set aside",
    "renamed": "N for another reason",
    "move_line": "N of LABEL: BEFORE → AFTER",
    "off": "off",
    # Sources
    "sources_lead": "Which source gave what, and how much of it does not show its class.",
    "source_head": ["Source", "Found", "Kept", "Not to be had", "Noise (90 % interval)"],
    "sources_caption": "Pictures by source",
    "query_head": ["Class", "Query", "Source", "Pictures", "Noise (90 % interval)"],
    "queries_caption": "The noisiest queries",
    "rounds": "Why collecting stopped",
    "round_head": ["Round", "Found", "Kept", "The next hundred are worth"],
    "rounds_caption": "Rounds of collecting",
    "points": "N points",
    "rounds_on": "Collecting goes on.",
    "licenses": "Licences",
    "license_head": ["Licence", "Found", "Kept", "May be passed on"],
    "licenses_caption": "Pictures by licence",
    "yes": "yes",
    "no": "no",
    "not_known": "unknown",
    "not_stated": "not stated",
    # History
    "acts_lead": "Everything done by hand. Any act can be undone, whatever was done after it.",
    "no_acts": "Nothing was done by hand yet.",
    "act_head": ["When", "What", "Pictures", ""],
    "acts_caption": "Acts, the newest first",
    "undone": "undone",
    "verbs": {
        "keep": "Kept",
        "drop": "Set aside",
        "give_back": "Left to the rules",
        "relabel": "Moved to LABEL",
        "settings": "Rules changed",
    },
}
