"""The words of the decks' pages."""

from __future__ import annotations

DECKS = "Decks"
LEAD = (
    "A deck is a stream of candidates that Tellapart judges for you: it says what it would do and "
    "why, learns from your corrections, and acts only while you have switched it on."
)
NONE = "No decks yet."
NONE_DO = "Begin with a folder of candidates, or with a service. A new deck is switched off."
ADD = "Add a deck"
MORE = "Show more"

MODES = {"off": "Off", "dry": "Dry run", "on": "On"}
MODE_TAGS = {"off": "queued", "dry": "queued", "on": "done"}
ACTIONS = {
    "like": "Like",
    "pass": "Pass",
    "super_like": "Super like",
    "stop": "Stop",
    "leave": "Left to a person",
}
#: What became of an action.
STATES = {
    "none": "Nothing was sent",
    "held": "Held back: the switch or a limit came before",
    "intended": "About to be sent",
    "done": "Sent",
    "refused": "Refused by the service",
    "missed": "Never reached the service",
    "unknown": "Sent, answer unknown",
}
MATCH = "It is a match"

# List
LAST_TURN = "Last turn"
NEXT_TURN = "Next turn"
LIKES_LEFT = "Likes left"
NO_TURN = "none yet"
NOT_PLANNED = "none is planned"
SOON = "any moment"
IN_TIME = "in {n} {what}"
TO_REVIEW = "{n} to review"
JUDGED = "{n} judged"

# Adding
ADD_LEAD = "Where the candidates come from, and what they are."
SOURCE = "Source"
SOURCE_NOT_HERE = "Not installed:"
TITLE = "Name"
TITLE_HINT = "What the deck is called."
TITLE_EMPTY = "Give the deck a name."
PEOPLE = "What is judged"
PEOPLE_OPTIONS = (
    ("people", "People", "Profiles of persons: only adults are judged"),
    ("things", "Things", "Flats, goods, pets"),
)
PEOPLE_NEEDED = "Say which: of people only those who are said to be adults are judged."
OF_PEOPLE = "People"
OF_THINGS = "Things"
PEOPLE_ALWAYS = (
    "This source shows people. Whoever has no declared age, or is under 18, is not judged, and "
    "nothing of them is kept but a count. Where an estimate is not clearly adult, a person "
    "decides. This cannot be switched off."
)
PROJECT = "Begin with the model of"
PROJECT_NONE = "Nothing yet: it learns from your answers"
PROJECT_HINT = "A project with the classes like and pass. May stay empty."
CREDENTIAL_HINT = "Kept encrypted on this server, and shown to nobody."
TERMS = "Terms"
TERMS_THERE = "The service's own terms"
TERMS_READ = "I have read this, and it is my own account and my own risk."
TERMS_NEEDED = "Read the terms first, and say so."
ADD_DO = "Add the deck"
ADD_AFTER = "It starts switched off. Nothing is sent to anybody before you switch it on."
NEEDED = "This is needed."
DROP = "Drop a zip, a folder or a list here"
DROP_HINT = "One folder for each candidate, or one line for each. Or choose a file."

# One deck
SWITCH = "Switch"
SWITCH_HINTS = {
    "off": "Nothing is asked and nothing is done",
    "dry": "Judges and shows, sends nothing",
    "on": "Judges and acts for you",
}
SWITCH_SURE = "Switch {title} on?"
SWITCH_TEXT = (
    "From then on it acts for you by its policy, without asking. You can switch it off at any "
    "time, from anywhere; no action begins later than a second after."
)
SWITCH_RECORDS = "Its source takes no acts: what it decides is written down here only."
SWITCH_DO = "Switch it on"
SWITCHED = {"off": "It is off.", "dry": "It is on dry run.", "on": "It is on."}
NOT_YET = "It cannot be switched on yet"
WHY_OFF = "Why it is off"
NOW = "Now"
RUN = "Take a turn now"
RUN_QUEUED = "A turn is queued."
TURN = {
    "queued": "waiting",
    "running": "under way",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}
TURN_SAID = "{when}: {judged} judged, {acted} sent"
SEEN = "Candidates"
LIKED = "Likes"
SUPER_LIKED = "Super likes"
PASSED = "Passes"
LEFT_TO_YOU = "Left to you"
SENT = "Sent"
REFUSED_THERE = "Refused there"
SEE = "See which"
DRY_REVIEWED = "{n} of {least} verdicts of dry runs reviewed, which it needs before it may act."
NOT_JUDGED = "Not said to be adults, so not judged"
UNKNOWN = "Of {n} nobody knows whether they arrived"
UNKNOWN_HINT = "Sent, but the answer never came. They are asked about again, and never sent twice."
REVIEWED = "For your eyes"
REVIEW_DO = "Review"
REVIEW_WAITS = "{n} candidates were left to you."
REVIEW_OPEN = "{n} without your word so far. Each answer teaches it."
REVIEW_NONE = "Nobody waits for review."
NEW_LOOKING = "{n} candidates look unlike all it has learned from."
NEW_LOOKING_DO = "Label these first"
ACCOUNT = "Account at the service"
CREDENTIAL_HAVE = "A {title} is kept here."
CREDENTIAL_NONE = "No {title} is kept here: the deck cannot ask the service."
CREDENTIAL_MAY = "No {title} is kept here. Give one if the service asks for it."
CREDENTIAL_NEW = "New {title}"
CREDENTIAL_SAVE = "Keep it"
CREDENTIAL_SAVED = "It is kept."
CREDENTIAL_EMPTY = "Paste it here first."
CONFIRM = "Your word"
CONFIRMED = "Read and confirmed on {when}."
CONFIRM_DO = "I have read them: it is my own account and my own risk"
DETAILS = "Where it comes from"
DETAIL_SOURCE = "Source"
DETAIL_PROJECT = "Project"
DETAIL_EVERY = "A turn every"
DETAIL_MINUTES = "{n} minutes"
DELETE = "Delete this deck"
DELETE_SURE = "Delete {title}?"
DELETE_TEXT = (
    "Its candidates, pictures, labels and what it has learned are deleted for good. What it has "
    "done at the service stays done."
)
DELETE_DO = "Delete it"
ERROR_LAST = "The last turn failed"

# Review
REVIEW_LEAD = "One at a time: like or pass. What you say here is what it learns."
CANDIDATE = "Candidate"
LIKE = "Like"
PASS = "Pass"  # noqa: S105
SKIP = "Skip"
UNDO = "Undo"
HEAT = "Heat map"
KEYS = "By keyboard"
KEYS_ON = "Keys in use"
KEY_ROWS = (
    ("A →", "like"),
    ("X ←", "pass"),
    ("Space", "skip"),
    ("Backspace", "undo"),
    ("1 … 9", "show that picture"),
    ("H", "heat map"),
)
SWIPE = "Or swipe: right likes, left passes. A tap shows the next picture."
PROGRESS = "How well it knows you"
ACCURACY = "Estimated accuracy"
LABELS = "Your answers"
SAVED = "Answers saved"
STOP = "When to stop"
WOULD = "What it would do"
SOON_HERE = "Looking for the next one …"
DONE_EMPTY = "That is all for now."
DONE_EMPTY_DO = "New candidates come with the next turn."
TO_RESULTS = "See what it did"
TO_DECK = "To the deck"
#: For the review's script; capitals stand for values.
SCRIPT = {
    "would": {
        "like": "It would like",
        "pass": "It would pass",
        "super_like": "It would super like",
        "leave": "It leaves it to you",
        "stop": "It would stop here",
        "": "It has no opinion yet",
    },
    "actions": ACTIONS,
    "said": {"like": "Liked NAME.", "pass": "Passed NAME.", "": "Skipped NAME."},
    "next": "Next: NAME.",
    "undone": "NAME is back.",
    "nobody": "Without a name",
    "aged": "NAME, AGE",
    "km": "N km away",
    "picture": "Picture N of M",
    "picture_of": "Picture N of M of NAME",
    "scored": "P(like) SCORE",
    "decided": "this one decided",
    "unreadable": "cannot be looked at",
    "no_picture": "No picture",
    "loading": "Drawing the heat map …",
    "explored": "Chosen to learn from, not by the score.",
    "new_looking": "Unlike all it has learned from.",
    "because": {
        "learn": "Your answer teaches it most.",
    },
    "accuracy": "SHARE",
    "between": "90 % interval LOW to HIGH",
    "too_few": "after a few more answers",
    "saved": "fewer than in random order",
    "saved_none": "none yet",
    "left": "N left",
    "all": "That is all for now.",
    "score": "Score",
    "again": "Try again",
}

# Results
RESULTS_LEAD = "Everything it has decided and done, and why. What is wrong here, correct here."
FILTERS = "Which results are shown"
ACTION = "Decision"
EVERY_ACTION = "Every decision"
OUTCOME = "Outcome"
EVERY_OUTCOME = "Every outcome"
YOURS = "Your word"
EVERY_YOURS = "With or without your word"
YOURS_OPTIONS = (
    ("corrected", "Corrected by you"),
    ("confirmed", "Confirmed by you"),
    ("none", "Without your word"),
)
RULE = "Rule"
MATCHES = "Matches"
TAB = "Results"
FORGET_TEXT = "Everything kept here of this candidate is deleted for good, labels and pictures too."
EVERY_RULE = "Every rule"
SEARCH = "Name or text"
RESULTS_NONE = "Nothing is like that."
RESULTS_SCRIPT = {
    **{
        key: SCRIPT[key]
        for key in (
            "actions",
            "nobody",
            "aged",
            "km",
            "unreadable",
            "scored",
            "picture_of",
            "decided",
            "explored",
            "new_looking",
        )
    },
    "states": STATES,
    "match": MATCH,
    "like": LIKE,
    "pass": PASS,
    "right": "What is right for NAME?",
    "corrected": "Corrected: NAME is a ACTION.",
    "taken_back": "Taken back: NAME.",
    "by_you": "You say: ACTION",
    "found": "N results",
    "found_one": "1 result",
    "more": "Show more",
    "details": "Details",
    "rule": "Rule",
    "reason": "Reason",
    "answered": "The service said",
    "when": "When",
    "page": "Page",
    "bio": "About",
    "forget": "Forget this one",
    "forget_sure": "Forget NAME?",
    "forgotten": "NAME is forgotten.",
    "not_now": "Not now",
}

# Taste
TASTE_LEAD = (
    "What it has learned from your answers. A new one goes live only when it is not worse on the "
    "test set and better on answers that it has not learned from."
)
CHAMPION = "Live"
CHALLENGER = "Challenger"
SHADOW = "In the shadow"
RETIRED = "Before"
REFUSED = "Not let in"
HEAD_STATES = {
    "champion": CHAMPION,
    "challenger": CHALLENGER,
    "shadow": SHADOW,
    "retired": RETIRED,
    "refused": REFUSED,
}
HEAD_TAGS = {"champion": "done", "challenger": "running", "refused": "failed"}
NO_HEAD = "It has learned nothing yet."
NO_HEAD_DO = "Label a few candidates in the review; then it learns in under a second."
RETRAIN = "Learn again"
RETRAIN_DONE = {
    "champion": "The new one is live.",
    "shadow": "The new one stays in the shadow: it judges along and decides nothing.",
    "refused": "The new one is not let in: what was live stays live.",
}
ROLLBACK = "Roll back"
ROLLBACK_SURE = "Go back to the one before?"
ROLLBACK_TEXT = "It decides from the next candidate on. The one that is live now is kept."
ROLLBACK_DO = "Roll back"
ROLLED_BACK = "The one before is live again."
OF_LABELS = "{n} answers"
HISTORY = "All that were made"
LOG = "What happened to it"
#: Figures of a comparison with what was live, in their order.
EVALUATION = (
    ("accuracy", "Right on held-back answers"),
    ("champion", "The live one"),
    ("n", "Held-back candidates"),
    ("test", "Test"),
    ("p", "p"),
    ("level", "Level"),
)
