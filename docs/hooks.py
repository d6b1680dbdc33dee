"""What the site takes from the repository besides docs/, so that links between files hold in both.

Pages keep the paths that they have in the repository while links are resolved; only their addresses are shorter. A link
to a folder leads to its README, or to a list of what is in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # tests read links without mkdocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = ("docs/**/*.md", "experiments/*/README.md", "notebooks/README.md", "results/README.md", "CHANGELOG.md")
LISTED = ("*.html", "*.csv", "*.yaml", "*.py", "*.R", "figures/*.png", "tables/*.csv")
SOURCES = {".py", ".R", ".yaml", ".cff", ".sh", ""}  # which browsers show as text if they are called so
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
GROUP = re.compile(r"^<!-- files of (conf/\S+) -->$", re.MULTILINE)
FILE = re.compile(r"^<!-- file (\S+) -->$", re.MULTILINE)
WIDTH = {"terminal_width": 96, "max_content_width": 96}
COMMANDS = "<!-- all commands -->"


def pages() -> list[Path]:
    """Return the Markdown files that are pages of the site."""
    return [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def links(page: Path) -> list[str]:
    """Return what a page links to, as written, but for other sites."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    return [target for target in LINK.findall(text) if not re.match(r"\w+:", target)]


def linked(page: Path) -> set[Path]:
    """Return the files and folders of the repository that a page links to."""
    return {(page.parent / target.partition("#")[0]).resolve() for target in links(page) if target[0] != "#"}


def listed(folder: Path) -> list[Path]:
    return [path for pattern in LISTED for path in sorted(folder.glob(pattern))]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the files of docs/ where the repository has them, beside all that pages link to."""
    from mkdocs.structure.files import File, Files

    docs = Path(config.docs_dir)
    themes = [file for file in files if Path(file.src_dir or "") != docs]
    aims = {aim for page in pages() for aim in linked(page)}
    folders = {aim for aim in aims if aim.is_dir() and not (aim / "README.md").exists()}
    lists = [File.generated(config, f"{_name(folder)}/index.md", content=_list(folder)) for folder in sorted(folders)]
    shown = {path for folder in folders for path in listed(folder)} | {aim for aim in aims if aim.is_file()}
    paths = sorted({*pages(), *(docs / "assets").iterdir(), *shown})
    return Files([*themes, *lists, *(_file(path, config) for path in paths)])


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _list(folder: Path) -> str:
    lines = [f"- [{name}]({name})" for name in (path.relative_to(folder).as_posix() for path in listed(folder))]
    return f"# {_name(folder)}\n\n" + "\n".join(lines) + "\n"


def _file(path: Path, config: MkDocsConfig) -> File:
    from mkdocs.structure.files import File

    address = File(_name(path), str(ROOT), config.site_dir, config.use_directory_urls).dest_uri.removeprefix("docs/")
    address += ".txt" if path.suffix in SOURCES else ""
    return File(_name(path), str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=address)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to folders to a page, and put files of conf/ and help where a page asks for them."""
    folder = (ROOT / page.file.src_uri).parent
    text = LINK.sub(lambda match: _to_page(folder, match[0]), markdown)
    text = GROUP.sub(lambda match: "\n".join(map(_shown, sorted((ROOT / match[1]).rglob("*.yaml")))), text)
    text = FILE.sub(lambda match: _shown(ROOT / match[1]), text)
    return text.replace(COMMANDS, _commands()) if COMMANDS in text else text


def _to_page(folder: Path, target: str) -> str:
    path, hash_, anchor = target.partition("#")
    if not path or re.match(r"\w+:", path) or not (folder / path).is_dir():
        return target
    page = "README.md" if (folder / path / "README.md").exists() else "index.md"
    return f"{path.rstrip('/')}/{page}{hash_}{anchor}"


def _shown(path: Path) -> str:
    return f'```yaml title="{_name(path)}"\n{path.read_text(encoding="utf-8")}```\n'


def _commands() -> str:
    """Return what `-h` says of every command, in the order in which `mice-sim -h` tells of them."""
    import click

    from mice_sim.cli import main

    overview = main.get_help(click.Context(main, info_name="mice-sim", **WIDTH))
    commands = sorted(main.commands.items(), key=lambda item: overview.index(f"  {item[0]} "))
    told = [("mice-sim", overview)]
    for name, command in commands:
        told.append((name, command.get_help(click.Context(command, info_name=f"mice-sim {name}", **WIDTH))))
    return "\n".join(f"## {name}\n\n```text\n{text}\n```\n" for name, text in told)
