"""What finds spans without a network: written rules and gradient boosting, beside every score.

A network that does not beat them is not worth its training. They are fitted on the training
windows of a split, answer for its held-out ones, and their scores are kept in the run folder, so
that the app never loads scikit-learn.
"""

from moola.baselines.scoring import Sides, write_baselines

__all__ = ["Sides", "write_baselines"]
