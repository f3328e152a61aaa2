"""The words in and around charts."""

from __future__ import annotations

UNKNOWN = "–"
AS_TABLE = "The figures as a table"
TRUTH = "Truth ↓, answered →"
CONFUSION = "What each class was taken for"
CONFUSED = "What was taken for what, the commonest first"
CONFUSED_HEAD = ("Truth", "Answered", "Times")
CONFUSION_SAYS = (
    "One row a true class, one column an answer. The stronger its color, the larger a cell's "
    "share of the row."
)
SURE = "How sure it was"
RIGHT = "How often it was right"
ANSWERS = "Answers"
RELIABILITY = "How often answers of one confidence were right"
RELIABILITY_SAYS = (
    "Test answers, gathered by how sure they were; larger dots are more answers. On the dashed "
    "line, “sure” and “right” agree. Expected calibration error: {ece}."
)
SHARE = "Pictures answered"
WRONG_SURE = "Wrong, least sure left out"
WRONG_KNOWN = "Wrong, least familiar left out"
SKIPPING = "Wrong answers by share of pictures answered"
SKIPPING_SAYS = (
    "Teal: the least sure are left out first. Amber: the least familiar are. Further left, "
    "fewer pictures get an answer."
)
SKIPPING_PLAIN = (
    "Wrong answers among those it is surest of. Further left, fewer pictures get an answer."
)
SKIPPING_SHIPPED = (
    "The dot is the model as it is shipped: it answers “none of these” below a familiarity of "
    "{threshold}, which refuses {share} of the test pictures."
)
PICTURES = "Training pictures"
ACCURACY = "Accuracy"
INTERVAL_90 = "90 % interval"
OUTLOOK = "Accuracy by number of training pictures"
OUTLOOK_SAYS = (
    "Small dots were measured with fewer of the pictures, large ones are foretold. The band "
    "holds nine in ten outcomes."
)
EPOCH = "Epoch"
LOSS = "Loss"
LOG_LOSS = "Log loss"
VALIDATION_LOSS = "Validation loss"
VALIDATION_ACCURACY = "Validation accuracy"
TRAINING = "Loss and accuracy by epoch"
ON_TRAINING = "on what it learns from"
ON_VALIDATION = "on what it is checked with"
VERSION = "version {number}"
VERSIONS_SAYS = "Right answers on each version's own test pictures, with 95 % intervals."
MODEL = "Model"
ROWS = "Rows"
CANDIDATES = "Models that were tried"
CANDIDATES_SAYS = (
    "Accuracy on rows they were not fitted to, before the test rows were looked at, with its "
    "95 % interval."
)
COLUMN = "Column"
KIND = "Kind"
VALUES = "Values"
MISSING = "Missing"
COLUMNS = "The columns"
COLUMNS_SAYS = (
    "Points of accuracy lost where the column is shuffled among the validation rows; the line "
    "tells how much that varies."
)
NETWORK_SAYS = (
    "Blocks are as large as their tensors suggest; bars tell a layer's share of all parameters."
)
INPUT = "input"
TOTAL = "total"
LAYER = "Layer"
SETTINGS = "Settings"
OUTPUT = "Output"
PARAMETERS = "Parameters"
FLOPS = "FLOPs"
LAYERS = "What each layer does to the numbers"
