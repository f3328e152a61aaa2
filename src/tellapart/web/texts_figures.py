"""The words of charts, of the Model page and of the Network page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class _Charts:
    """Words in and around drawings."""

    unknown: str = "–"
    as_table: str = "The figures as a table"
    truth: str = "Truth ↓, answered →"
    confusion: str = "What each class was taken for"
    confusion_says: str = (
        "One row a true class, one column an answer. The stronger its color, the larger a cell's "
        "share of the row."
    )
    sure: str = "How sure it was"
    right: str = "How often it was right"
    answers: str = "Answers"
    reliability: str = "How often answers of one confidence were right"
    reliability_says: str = (
        "Test answers, gathered by how sure they were; larger dots are more answers. On the dashed "
        "line, “sure” and “right” agree. Expected calibration error: {ece}."
    )
    share: str = "Pictures answered"
    wrong_sure: str = "Wrong, least sure left out"
    wrong_known: str = "Wrong, least familiar left out"
    skipping: str = "Wrong answers by share of pictures answered"
    skipping_says: str = (
        "Teal: the least sure are left out first. Amber: the least familiar are. Further left, "
        "fewer pictures get an answer."
    )
    skipping_plain: str = (
        "Wrong answers among those it is surest of. Further left, fewer pictures get an answer."
    )
    skipping_shipped: str = (
        "The dot is the model as it is shipped: it answers “none of these” below a familiarity of "
        "{threshold}, which refuses {share} of the test pictures."
    )
    pictures: str = "Training pictures"
    accuracy: str = "Accuracy"
    interval_90: str = "90 % interval"
    outlook: str = "Accuracy by number of training pictures"
    outlook_says: str = (
        "Small dots were measured with fewer of the pictures, large ones are foretold. The band "
        "holds nine in ten outcomes."
    )
    epoch: str = "Epoch"
    loss: str = "Loss"
    log_loss: str = "Log loss"
    validation_loss: str = "Validation loss"
    validation_accuracy: str = "Validation accuracy"
    training: str = "Loss and accuracy by epoch"
    on_training: str = "on what it learns from"
    on_validation: str = "on what it is checked with"
    version: str = "version {number}"
    versions_says: str = "Right answers on each version's own test pictures, with 95 % intervals."
    model: str = "Model"
    rows: str = "Rows"
    candidates: str = "Models that were tried"
    candidates_says: str = (
        "Accuracy on rows they were not fitted to, before the test rows were looked at, with its "
        "95 % interval."
    )
    column: str = "Column"
    kind: str = "Kind"
    values: str = "Values"
    missing: str = "Missing"
    columns: str = "The columns"
    columns_says: str = (
        "Points of accuracy lost where the column is shuffled among the validation rows; the line "
        "tells how much that varies."
    )
    network_says: str = (
        "Blocks are as large as their tensors suggest; bars tell a layer's share of all parameters."
    )
    input: str = "input"
    total: str = "total"
    layer: str = "Layer"
    settings: str = "Settings"
    output: str = "Output"
    parameters: str = "Parameters"
    flops: str = "FLOPs"
    layers: str = "What each layer does to the numbers"


CHARTS = _Charts()
