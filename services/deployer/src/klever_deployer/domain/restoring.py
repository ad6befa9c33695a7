"""What a serving is restored to when its bucket, or the stream of requests, is not the one that is remembered; pure."""

from dataclasses import dataclass

from kleverkit.incarnations import Verdict
from kleverproto.documents import Intent, Tombstone
from kleverproto.servings import ServingDocument

from .intents import Known


@dataclass(frozen=True)
class Loss:
    """What has become of bucket and stream.

    Attributes:
        bucket: of the servings.
        stream: of the requests.
        last_sequence: of the stream, as it is now.
    """

    bucket: Verdict
    stream: Verdict
    last_sequence: int

    @property
    def is_none(self) -> bool:
        """Whether both are those that are remembered."""
        return self.bucket is Verdict.SAME and self.stream is Verdict.SAME

    def place_of(self, sequence: int) -> int:
        """What a request's place in the remembered stream is worth in the present one.

        No request of a new stream may count as late; of an older one those that it still holds do.
        """
        if self.stream is Verdict.SAME:
            return sequence
        return 0 if self.stream is Verdict.RECREATED else min(sequence, self.last_sequence)


def restored(present: Known, copy: Known, loss: Loss) -> ServingDocument | Tombstone[ServingDocument] | None:
    """What the bucket should hold of a serving; None where that is there already.

    Args:
        present: what it holds.
        copy: what it held last, as far as the deployer knows.
        loss: why they may differ.
    """
    best = _best(present, copy, loss)
    wanted = in_present_stream(best, loss) if best is not None else None
    return None if wanted == present else wanted


def _best(present: Known, copy: Known, loss: Loss) -> Known:
    if copy is None:
        return present
    if present is None:
        may_be_late = loss.bucket is not Verdict.SAME and loss.stream is not Verdict.RECREATED
        return copy if not is_announced(copy) or may_be_late else None
    if loss.bucket is not Verdict.OLDER:
        return present  # of a bucket that was created anew, everything in it was written since
    return present if _sequence(present) > _sequence(copy) else copy


def is_announced(copy: Known) -> bool:
    """Whether a copy is the tombstone of a deletion that is announced: its bucket may have removed it."""
    return isinstance(copy, Tombstone) and copy.announced


def in_present_stream(
    known: ServingDocument | Tombstone[ServingDocument], loss: Loss
) -> ServingDocument | Tombstone[ServingDocument]:
    """What is known of a serving, with the places of its requests in the stream that there is now."""
    if isinstance(known, Tombstone):
        return known.replace(intent=_moved(known.intent, loss))
    status, rollout = known.status, known.status.rollout
    if rollout is not None:
        rollout = rollout.replace(steered=loss.place_of(rollout.steered))
    status = status.replace(intent=_moved(status.intent, loss), rollout=rollout)
    return known.replace(status=status)


def _moved(intent: Intent | None, loss: Loss) -> Intent | None:
    return intent.at(loss.place_of(intent.sequence)) if intent else None


def _sequence(known: ServingDocument | Tombstone[ServingDocument]) -> int:
    intent = known.intent if isinstance(known, Tombstone) else known.status.intent
    return intent.sequence if intent else 0
