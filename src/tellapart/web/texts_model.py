"""The words of the Model and Network pages."""

from __future__ import annotations

NONE_YET = "There is no model yet."
NONE_YET_DO = "It comes with the end of the run."
TO_RUN = "Watch the run"

VERSION_SHOWN = "Version {number}"
NEWEST = "the newest"
THINGS = {"pictures": "picture", "arrays": "picture", "table": "row"}

# The figures
HONEST = "How good it is"
RIGHT_ON = "right on {n:,} test {things} that took no part in training ({correct:,} of {n:,})."
INTERVAL = (
    "With so many test {things}, the true figure lies between {low} and {high} (95 % interval). "
    "Always answering “{answer}” would be right {baseline} of the time."
)
NO_FIGURES = "There are no figures: the test part is empty, so nothing could be measured."
DISTRUST = "Do not trust this model yet."
UNFINISHED = "Unfinished: its training was stopped before its end."
ABSENT = "Nothing says how well it tells {names}: the test part has none."
DOUBTFUL = (
    "{n} set aside as unlike their class or probably mislabelled are not counted. Had they "
    "stayed, about {accuracy} would be right."
)
BALANCED = ("Balanced accuracy", "every class counts alike")
AUC = ("AUC", "1 is perfect, 0.5 is chance")
LOG_LOSS = ("Log loss", "0 is perfect; lower is better")
ECE = ("Calibration error", "gap between “sure” and “right”")
REFUSED = ("Refused", "“none of these” on its own test pictures")

# Try it
TRY = "Try it"
TRY_LEAD = "A picture that it has never seen tells most."
TRY_TABLE_LEAD = "Fill in what is known of a new row; what is left empty counts as missing."
DROP = "Drop a picture here, or choose one"
DROP_HINT = "Pasting works too. It is asked about and forgotten."
URL = "Address of a picture"
URL_HINT = "https://… or data:…"
ASK = "Ask"
CAMERA = "Use the camera"
CAMERA_OFF = "Stop the camera"
CAMERA_TAKE = "Take this picture"
WHY = "Show what speaks for the answer"
ANSWER = "Its answer"
ANSWER_NONE = "The answer comes here."
SHOWN = "The picture that was asked about"
SHOWN_WHY = "The picture, what speaks for the answer glowing"
SCRIPT = {
    "asking": "Asking …",
    "is": "LABEL",
    "sure": "PERCENT sure",
    "none": "None of these",
    "none_says": "Unlike all it learned from; LABEL would be the likeliest.",
    "familiarity": "Familiarity NUMBER",
    "map": "Bright is what speaks for LABEL.",
    "no_camera": "The camera cannot be used: WHY.",
    "only_safe": "browsers allow it over https only",
    "no_url": "Type an address first.",
    "shown": SHOWN,
    "shown_why": SHOWN_WHY,
}

# Mistakes
WRONG = "What it gets wrong"
WRONG_NOTHING = "Nothing, on these {n:,} test {things}."
WRONG_SOME = "{wrong:,} of {n:,} test {things}."
WRONG_MOST = "Most often it takes “{truth}” for “{answer}” ({count} of {total})."
CLASS_HEAD = ("Class", "Test {things}", "Recall", "Precision")
CLASS_CAPTION = "Figures of each class"
CLASS_SAYS = (
    "Recall: of the {things} of this class, how many were told right. Precision: of the answers "
    "with this class, how many were right."
)
NEVER = "never answered"
WORST = "Wrong and sure of it"
WORST_LEAD = (
    "The surest of its wrong answers. A wrong label in the test pictures shows up here too: press "
    "one to see what it looked at."
)
WORST_IS = "is {truth}"
WORST_REFUSED = "refused as unfamiliar"
WORST_ASK = "Why {answer}? It is {truth}."
WORST_ROWS = ("Row", "Is", "Was taken for", "Sure")
WORST_ROWS_CAPTION = "Rows it was wrong about, the surest first"
WHY_TITLE = "Why this answer?"
WHY_WAIT = "Looking for the training pictures that speak for and against it …"
WHY_OTHER = "Today's model answers {answer}, {probability} sure."
WHY_FOR = "Speak for “{label}”"
WHY_AGAINST = "Speak against it"
WHY_WITHOUT = "without it {probability}"
WHY_SPEAKER = "A training picture of {label}"
CLOSE = "Close"

# Trust
TRUST = "When to trust an answer"
TRUST_SURE = "Does “90 % sure” mean right 9 times in 10?"
TRUST_SKIP = "What if it skips the doubtful ones?"
AHEAD = "Would more pictures help?"
AHEAD_BEST = "Pictures of “{name}” would help most."
TABLE_MODELS = "Which model is better?"
TABLE_COLUMNS = "The columns"

# Downloads
DOWNLOADS = "Take it along"
DOWNLOADS_LEAD = "Everything runs without this server."
#: By kind of file: name and what it is.
FILES = {
    "bundle": ("Bundle", "All in one zip: model, data set, report. Runs by itself with Python."),
    "onnx": ("ONNX", "The model for most programs and devices."),
    "coreml": ("Core ML", "The model for iPhone, iPad and Mac."),
    "dataset": ("Data set", "The pictures that may be passed on, by class; rows of the others."),
    "report": ("Report", "Every figure and chart on one page that needs no network."),
    "card": ("Model card", "What it is for, what not, and where its pictures come from."),
    "metrics": ("Figures", "All of them, as JSON."),
}
MAKING = "being made …"
NOT_MADE = "could not be made"
DOWNLOAD = "Download {name} of version {version}"

# Versions
VERSIONS = "Versions side by side"
VERSIONS_HEAD = ("Version", "Made", "Accuracy", "95 % interval", "Test {things}", "Bundle", "")
VERSIONS_CAPTION = "All versions, the newest first"
VERSION_LOOK = "Look"
VERSION_HERE = "shown here"
COMPARE_FIRST = "Compare version"
COMPARE_SECOND = "with version"
COMPARE_HEAD = ("", "Version {first}", "Version {second}", "Change")
COMPARE_CAPTION = "Version {first} and version {second} side by side"
COMPARE_RECALL = "Recall of {name}"
COMPARE_RECIPE = "recipe: {key}"
COMPARE_WORDS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "auc": "AUC",
    "n": "Test pictures",
}
COMPARE_PICTURES = "Pictures kept"
NO_VALUE = "–"

# Network
NETWORK_LEAD = (
    "{layers} layers, {parameters:,} parameters, {flops} operations to answer one sample."
)
NO_NETWORK = "This project trains no network of layers."
TO_MODEL = "To the model"
NO_NETWORK_DO = "Its model stands on a network that is ready-made; only the last step is learned."
DRAWN = "Drawn"
LAYERS = "Layer by layer"
LEARNING = "Learning"
LEARNING_NOT = "Nothing is learned yet: loss and accuracy appear with the first epoch."
LEARNING_NOW = "Epoch {epoch} of {total}: loss {loss}, {accuracy} right on what it is checked with."
LEARNING_DONE = "{epochs} epochs; the best was epoch {best}."
LOOKS = "A look inside"
LOOKS_LEAD = "What the first layer looks for, and one picture on its way through."
FILTERS = "The filters of {layer}"
FILTERS_COLOR = "Each square is what one filter answers to most, in colors."
FILTERS_SIGN = "Brown is below zero, teal above: the pattern each filter answers to."
FILTERS_ALT = "{count} filters of {layer} as small squares"
ACTIVATION_ALT = "What {layer} makes of the picture"
ACTIVATION_SOME = "the {shown} channels of {channels} that vary most"
ACTIVATION_SAYS = "Bright is much, dark is little; each square is scaled by itself."
PICTURE_ALT = "The picture that goes in"
PROBABILITIES = "The answer"
