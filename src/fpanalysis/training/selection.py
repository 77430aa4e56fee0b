"""Which checkpoint of a network is kept, which replicate is best, and which are left out."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

# A replicate is included up to this many relative standard deviations of the best one's trials.
SIGMAS = 2.0
# The relative standard deviation is taken to be at least this.
LEAST_SIGMA = 0.1

RULE = (
    "checkpoint: lowest validation loss; best: replicate with the lowest validation loss; included: "
    "log(loss) <= log(loss of the best) + threshold; threshold: 2 sigma; sigma: the standard deviation of "
    "the best replicate's loss over validation trials divided by its mean, and at least 0.1"
)


class Selection(NamedTuple):
    """What is chosen among replicates of one kind.

    Attributes:
        checkpoint: index of each replicate's best checkpoint; −1 where none has a finite loss.
        loss: its validation loss; infinite where there is none.
        best: index of the best replicate; −1 where no replicate has a finite loss.
        included: whether a replicate is near enough to the best.
        threshold: by how much log(loss) may exceed that of the best.
    """

    checkpoint: Int[np.ndarray, " replicate"]
    loss: Float[np.ndarray, " replicate"]
    best: int
    included: Bool[np.ndarray, " replicate"]
    threshold: float


def select(losses: Float[np.ndarray, "replicate checkpoint trial"]) -> Selection:
    """Choose checkpoints and replicates by their validation losses.

    Args:
        losses: of every validation trial. Checkpoints that do not exist hold NaN.

    Returns:
        The selection. A threshold on the spread *between* a few replicates would exclude always or never;
        this one rests on the spread over the trials of the best one.

    Example:
        >>> import numpy as np
        >>> losses = np.array([[[2.0, 2.0], [0.9, 1.1]], [[5.0, 5.0], [4.0, 4.0]]])
        >>> chosen = select(losses)
        >>> chosen.checkpoint.tolist(), chosen.best, chosen.included.tolist()
        ([1, 1], 0, [True, False])
    """
    means = losses.mean(axis=2)
    usable = np.where(np.isfinite(means), means, np.inf)
    checkpoint = usable.argmin(axis=1)
    loss = usable.min(axis=1)
    checkpoint = np.where(np.isfinite(loss), checkpoint, -1)
    if not np.isfinite(loss).any():
        return Selection(checkpoint, loss, -1, np.zeros(len(loss), bool), SIGMAS * LEAST_SIGMA)
    best = int(loss.argmin())
    of_best = losses[best, checkpoint[best]]
    sigma = of_best.std() / of_best.mean() if of_best.mean() > 0 else 0.0
    threshold = SIGMAS * max(float(sigma), LEAST_SIGMA)
    with np.errstate(divide="ignore"):
        included = np.isfinite(loss) & (np.log(loss) <= np.log(loss[best]) + threshold)
    return Selection(checkpoint, loss, best, included, threshold)
