"""Models for rows of a table, without torch.

`fit` compares logistic regression, scikit-learn's gradient boosting and their average, and keeps
the best; `Fitted.to_onnx` writes it with filling, scaling and one-hot inside.
"""

from __future__ import annotations

from tellapart.learn.tabular.comparing import Candidate, Difference, rank
from tellapart.learn.tabular.fitting import Fitted, fit

__all__ = ["Candidate", "Difference", "Fitted", "fit", "rank"]
