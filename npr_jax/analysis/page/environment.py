"""How templates of HTML are read and escaped, for the report and for the page of ``serve``."""

from typing import Any

import jinja2


def environment(package: str, **names: Any) -> jinja2.Environment:
    """The templates of a package, escaping all but .txt, and names that all of them know."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=jinja2.select_autoescape(disabled_extensions=("txt",), default=True),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.globals.update(names)
    return made
