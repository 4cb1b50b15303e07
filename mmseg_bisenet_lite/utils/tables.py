"""Text tables for the terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prettytable import PrettyTable, TableStyle
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from mmseg_bisenet_lite.utils.files import write_json, write_text

# Headings of columns that hold no numbers.
TEXT = ('size', 'model', 'engine', 'file', 'runtime', 'split', 'finding', 'level', 'corruption')


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: Title above the table.
        columns: Headings of the columns.
        rows: Cells of each row.
        sections: Indices of the rows that the terminal shows a line above.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    sections: frozenset[int] = frozenset()

    def rich(self) -> RichTable:
        """Return the table for a terminal: text is left-aligned, numbers are right-aligned."""
        table = RichTable(title=self.title, title_justify='left', box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for heading in self.columns:
            table.add_column(heading, justify='left' if heading in TEXT else 'right', no_wrap=True)
        for number, row in enumerate(self.rows):
            if number in self.sections:
                table.add_section()
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return the table in Markdown."""
        table = PrettyTable(self.columns)
        table.set_style(TableStyle.MARKDOWN)
        table.add_rows(self.rows)
        return f'{self.title}\n\n{table.get_string()}'


def print_tables(tables: Sequence[Table], lines: Sequence[str]) -> None:
    """Print tables and the lines that explain them; a narrow terminal wraps the tables, but cuts nothing off."""
    widest = max((Console(width=1000).measure(table.rich()).maximum for table in tables), default=0)
    console = Console(width=max(Console().width, widest))
    for table in tables:
        console.print(table.rich())
    for line in lines:
        print(line)


def markdown_tables(tables: Sequence[Table], lines: Sequence[str]) -> str:
    """Return tables and the lines that explain them in Markdown."""
    return '\n\n'.join([*(table.markdown() for table in tables), '\n'.join(f'- {line}' for line in lines)]) + '\n'


def save_tables(folder: Path, content: Any, tables: Sequence[Table], lines: Sequence[str]) -> None:
    """Write ``results.json`` and ``results.md`` into a folder.

    Args:
        folder: The folder.
        content: What ``results.json`` holds.
        tables: The tables of ``results.md``.
        lines: The lines that explain them.
    """
    write_json(folder / 'results.json', content)
    write_text(folder / 'results.md', markdown_tables(tables, lines))


def numbered(names: Sequence[str]) -> list[str]:
    """Return the names, each made unique: the second ``a`` becomes ``a#2``."""
    return [f'{name}#{names[:i].count(name) + 1}' if name in names[:i] else name for i, name in enumerate(names)]
