"""The self-describing artefact: one zip with data set, model and report that runs by itself."""

from tellapart.bundle.overlay import why_overlay
from tellapart.bundle.predictor import Bundle, Picture, Prediction
from tellapart.bundle.verify import Report, verify

__all__ = ["Bundle", "Picture", "Prediction", "Report", "verify", "why_overlay"]
