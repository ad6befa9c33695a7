"""Each kind of job waits in a separate consumer."""

import pytest

from kleverproto import subjects
from kleverproto.catalogue import BY_DATA
from kleverproto.jobs import JobKind, JobRequested
from kleverproto.streams import CONSUMERS
from support.golden_events import JOB_SPEC

EVENT = BY_DATA[JobRequested]


@pytest.mark.parametrize("kind", JobKind)
def test_a_request_reaches_only_the_consumer_of_its_kind(kind: JobKind) -> None:
    subject = EVENT.subject(JobRequested(id="a.b", spec=JOB_SPEC.model_copy(update={"kind": kind})))
    filters = [consumer.subject for consumer in CONSUMERS if subject.startswith(consumer.subject.removesuffix(">"))]
    assert filters == [subjects.every("job", "requested", kind)]


def test_the_events_of_a_job_are_found_whatever_its_kind() -> None:
    assert EVENT.about("a.b") == "klever.job.requested.*.a=2Eb"
