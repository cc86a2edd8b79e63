"""What Quorum's commands share."""

import textwrap
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor

from studies.lib.errors import StudyError, one_line
from studies.management.guide import example
from studies.models import Study
from studies.protocols import DesignError, Table


def _of_the_database(error: Exception) -> str | None:
    """What a newcomer can do about it; None for a mistake of ours."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "The database lacks tables of this version. Make them first: manage.py migrate"
    except OperationalError:
        return f"The database cannot be reached: {one_line(error)}"
    return None


class QuorumCommand(BaseCommand):
    """A command whose mistakes end in one line and a non-zero status, and whose help has an example."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        shown = example(subcommand)
        return super().create_parser(prog_name, subcommand, **{"epilog": shown and f"Example: {shown}", **kwargs})

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (StudyError, DesignError) as error:
            raise CommandError(str(error)) from None
        except (OperationalError, ProgrammingError) as error:
            if (line := _of_the_database(error)) is None:
                raise
            raise CommandError(line) from None

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
