"""What Quorum's commands share."""

import textwrap
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from studies.errors import StudyError
from studies.models import Study
from studies.protocols import DesignError, Table


class QuorumCommand(BaseCommand):
    """A command whose mistakes end in one line and a non-zero status."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (StudyError, DesignError) as error:
            raise CommandError(str(error)) from None

    def say(self, line: str) -> None:
        self.stdout.write(line)


class StudyCommand(QuorumCommand):
    """A command about one study, named by its slug."""

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("slug", help="The study's short name.")

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        study = Study.objects.filter(slug=slug).first()
        if study is None:
            raise StudyError(f"there is no study called {slug}")
        self.handle_study(study, **options)

    def handle_study(self, study: Study, **options: Any) -> None:
        raise NotImplementedError


def account(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise StudyError(f"there is no account called {name}")
    return user


def lines(table: Table) -> Iterator[str]:
    """A table for the terminal."""
    # The title stands where the names of the rows have none.
    head = [table.columns[0] or table.title, *table.columns[1:]]
    cells = [head] + [["" if cell is None else str(cell) for cell in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for line in textwrap.wrap(table.note, 100):
        yield f"  {line}"
