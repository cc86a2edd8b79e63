"""Figures for Prometheus, read from the rows when they are asked for: the same whichever process answers."""

from collections.abc import Iterator

from django.db.models import Count, Min, Q, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from studies.models import Artifact, Slot, Study, Trial
from studies.preparation.progress import waiting_artifacts


class Rows:
    """What the tables say now."""

    def collect(self) -> Iterator[Metric]:
        yield from self._studies()
        yield from self._work()

    def _studies(self) -> Iterator[Metric]:
        """Of studies that run: a closed one does not change any more."""
        now, running = timezone.now(), Study.objects.filter(state__in=(Study.State.OPEN, Study.State.PAUSED))
        answers = CounterMetricFamily("quorum_answers", "Answers stored, of studies that run.", labels=["study"])
        counted = GaugeMetricFamily("quorum_slots_filled", "Answers that count.", labels=["study"])
        wanted = GaugeMetricFamily("quorum_slots", "Answers wanted.", labels=["study"])
        leases = GaugeMetricFamily("quorum_leases", "Slots that are held now.", labels=["study"])
        people = CounterMetricFamily("quorum_participants", "People who agreed to take part.", labels=["study"])
        given = dict(
            Trial.objects.filter(study__in=running, answered_at__isnull=False)
            .order_by()
            .values_list("study")
            .annotate(n=Count("pk"))
        )
        held = Q(filled=False, holder__isnull=False, leased_until__gte=now)
        slots = Slot.objects.filter(study__in=running).order_by().values_list("study")
        by_study = {
            pk: rest
            for pk, *rest in slots.annotate(
                n=Count("pk"), n_filled=Count("pk", filter=Q(filled=True)), n_held=Count("pk", filter=held)
            )
        }
        for pk, slug, n in running.annotate(n=Count("participants")).values_list("pk", "slug", "n"):
            every, filled, leased = by_study.get(pk, (0, 0, 0))
            answers.add_metric([slug], given.get(pk, 0))
            counted.add_metric([slug], filled)
            wanted.add_metric([slug], every)
            leases.add_metric([slug], leased)
            people.add_metric([slug], n)
        yield from (answers, counted, wanted, leases, people)

    def _work(self) -> Iterator[Metric]:
        """What workers do, by kind of result."""
        results = GaugeMetricFamily("quorum_results", "Results by kind and state.", labels=["kind", "state"])
        for kind, state, n in (
            Artifact.objects.order_by("kind", "state").values_list("kind", "state").annotate(n=Count("pk"))
        ):
            results.add_metric([kind, state], n)
        yield results
        seconds = SummaryMetricFamily("quorum_result_seconds", "Seconds of work on finished results.", labels=["kind"])
        done = Artifact.objects.filter(state=Artifact.State.DONE, seconds__isnull=False).order_by("kind")
        for kind, n, total in done.values_list("kind").annotate(n=Count("pk"), total=Sum("seconds")):
            seconds.add_metric([kind], n, total)
        yield seconds
        age = GaugeMetricFamily("quorum_queue_age_seconds", "How long the oldest result waits that nobody works on.")
        # What was cancelled waits for nobody.
        oldest = waiting_artifacts().aggregate(at=Min("created_at"))["at"]
        age.add_metric([], (timezone.now() - oldest).total_seconds() if oldest else 0)
        yield age


def text() -> bytes:
    registry = CollectorRegistry()
    registry.register(Rows())
    return generate_latest(registry)
