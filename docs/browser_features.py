"""What participants' pages ask of a browser: the features of scripts, styles and markup, and since when they are there.

    python docs/browser_features.py                     writes the table of docs/reference/browsers.md again
    python docs/browser_features.py --data FOLDER       looks up what is new in a checkout of mdn/browser-compat-data

The features are read off the code by parsers, so that none is forgotten. Since when browsers have each of them is a
fact of MDN's browser compatibility data (CC0), kept for the features in use in docs/browser_support.json; a name that
the data does not have, such as a function of our own, is kept there as null. A test compares all three.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import tinycss2
import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from studies.lib.client_browser import OLDEST  # noqa: E402

SUPPORT = ROOT / "docs" / "browser_support.json"
PAGE = ROOT / "docs" / "reference" / "browsers.md"
BEGIN, END = "<!-- features: begin -->\n", "<!-- features: end -->\n"
SCRIPTS = (ROOT / "static" / "participant", ROOT / "static" / "protocols")
TEMPLATES = (ROOT / "templates" / "participant", ROOT / "templates" / "protocols")
FOR_RESEARCHERS = {"preview.css"}
FAMILIES = tuple(OLDEST)
#: What browsers had by the end of 2016 is not worth a line of the table.
COMMON = {"Safari": 10, "Chrome": 55, "Firefox": 50}
NEVER = 9999

#: Newer than the oldest browsers that are named: what happens in those that lack it.
FINERY = {
    "at media forced-colors": "finery for high contrast",
    "at supports selector": "options are marked by their own circles and rings alone",
    "attribute form translate": "Firefox translates no pages before it has the attribute",
    "attribute img fetchpriority": "pictures are loaded in the usual order",
    "attribute input autocapitalize": "a code is typed in any case",
    "attribute source height": "`pages.js` sizes the picture by the same sources",
    "attribute source width": "`pages.js` sizes the picture by the same sources",
    "element dialog": "opened by its attribute; styles make it look the same",
    "event visibilitychange": "Safari 14.0 has it, but for pages that are left for another",
    "name keepalive": "an answer whose page is closed at once is sent when the page is opened again",
    "name Navigator.userActivation": "an answer by a script is no sign of a program there",
    "name isActive": "an answer by a script is no sign of a program there",
    "name devicePixelRatio": "Safari has it; there zooming by the menu does not change it",
    "name showModal": "asked for; else the dialog is opened by its attribute",
    "name submitter": "the last button pressed is remembered, or the browser sends the form",
    "name visualViewport": "asked for; else zoom by two fingers is recorded as none",
    "option focus preventScroll": "the heading that gets the keyboard may scroll into sight; it is at the top",
    "property accent-color": "check boxes have the system's colour",
    "property appearance": "by its older names",
    "property color-scheme": "scroll bars stay light",
    "property forced-color-adjust": "finery for high contrast",
    "property outline": "without round corners",
    "property text-underline-offset": "lines beneath links are nearer",
    "property text-wrap": "lines break as they come",
    "property user-select": "by its older name",
    "selector -moz-progress-bar": "Firefox's own name; others have theirs",
    "selector -webkit-progress-bar": "Safari's and Chrome's own name; Firefox has its own",
    "selector -webkit-progress-value": "Safari's and Chrome's own name; Firefox has its own",
    "selector backdrop": "the shadow of the enlarged picture darkens the page, here and everywhere",
    "selector focus-visible": "the browser's own ring",
    "selector has": "finery, in rules of its own",
    "unit svh": "`vh`, before it",
    "value color-scheme dark": "scroll bars stay light",
    "value color-scheme light": "scroll bars stay light",
    "value forced-color-adjust none": "finery for high contrast",
    "value image-rendering pixelated": "by its older name, `-moz-crisp-edges`",
    "value text-wrap balance": "lines break as they come",
    "value text-wrap pretty": "lines break as they come",
    "value user-select all": "the code is selected by hand",
}
#: Names of ours that an interface of a browser has, too.
OURS = {"name forget"}


# --- features of the code ---------------------------------------------------------------------------------------------


def of_code() -> dict[str, set[str]]:
    """The files in which each feature is used, by the name of the feature."""
    used: dict[str, set[str]] = {}
    readers = {".js": _of_script, ".css": _of_style, ".html": _of_markup}
    files = [path for folder in (*SCRIPTS, *TEMPLATES) for path in folder.iterdir() if path.suffix in readers]
    files = [path for path in files if path.name not in FOR_RESEARCHERS]
    for path in files:
        for feature in readers[path.suffix](path.read_text(encoding="utf-8")):
            used.setdefault(feature, set()).add(str(path.relative_to(ROOT)))
    return dict(sorted(used.items()))


def _of_script(text: str) -> Iterator[str]:
    tree = Parser(Language(tree_sitter_javascript.language())).parse(text.encode())
    if tree.root_node.has_error:
        raise ValueError("a script that cannot be parsed")
    nodes = list(_all(tree.root_node))
    declared = {_text(name) for node in nodes for name in _declared(node)}
    for node in nodes:
        yield from _of_node(node, declared)


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _text(node: Node | None) -> str:
    return (node.text or b"").decode() if node else ""


def _declared(node: Node) -> Iterator[Node]:
    """The names of its own that a node of the script gives: variables, functions, parameters."""
    if node.type in ("variable_declarator", "function_declaration"):
        place = node.child_by_field_name("name")
    elif node.type == "formal_parameters":
        place = node
    elif node.type in ("arrow_function", "catch_clause"):
        place = node.child_by_field_name("parameter")
    elif node.type == "for_in_statement":
        place = node.child_by_field_name("left")
    else:
        return
    names = {"identifier", "shorthand_property_identifier_pattern"}
    yield from (one for one in _all(place) if one.type in names) if place else ()


#: By the type of a node of the parsed script, or by the operator of one.
SYNTAX = {
    "optional_chain": "operators.optional_chaining",
    "await_expression": "operators.await",
    "arrow_function": "functions.arrow_functions",
    "template_string": "grammar.template_literals",
    "object_pattern": "operators.destructuring",
    "array_pattern": "operators.destructuring",
    "class_declaration": "statements.class",
    "yield_expression": "operators.yield",
}
OPERATORS = {
    "??": "operators.nullish_coalescing",
    "??=": "operators.nullish_coalescing_assignment",
    "||=": "operators.logical_or_assignment",
    "&&=": "operators.logical_and_assignment",
    "**": "operators.exponentiation",
    "**=": "operators.exponentiation_assignment",
}
#: Of which interface the objects are that every script has.
GLOBALS = {"document": "Document", "history": "History", "navigator": "Navigator", "performance": "Performance"}


def _of_node(node: Node, declared: set[str]) -> Iterator[str]:
    text, parent = _text(node), node.parent
    if node.type in SYNTAX:
        yield f"syntax {SYNTAX[node.type]}"
    elif node.type in OPERATORS and parent and parent.type.endswith("expression"):
        yield f"syntax {OPERATORS[node.type]}"
    elif node.type == "number" and "_" in text:
        yield "syntax grammar.numeric_separators"
    elif node.type == "catch_clause" and node.child_by_field_name("parameter") is None:
        yield "syntax statements.try_catch.optional_catch_binding"
    elif node.type == "for_in_statement" and any(child.type == "of" for child in node.children):
        yield "syntax statements.for_of"
    elif node.type == "spread_element" and parent and parent.type == "object":
        yield "syntax operators.spread.spread_in_object_literals"
    elif node.type == "rest_pattern" and parent and parent.type == "object_pattern":
        yield "syntax operators.destructuring.rest_in_objects"
    elif node.type == "property_identifier" and parent:
        of = _text(parent.child_by_field_name("object"))
        interface = GLOBALS.get(of, of if of[:1].isupper() and of not in declared else "")
        yield f"name {interface}.{text}" if interface.isidentifier() else f"name {text}"
    elif node.type == "identifier" and text not in declared:
        yield f"name {text}"
    elif node.type in ("call_expression", "new_expression"):
        yield from _of_call(node, declared)


def _of_call(node: Node, declared: set[str]) -> Iterator[str]:
    """Options in braces, and events that are listened to."""
    called = _text(node.child_by_field_name("function") or node.child_by_field_name("constructor"))
    arguments = node.child_by_field_name("arguments")
    name = called.rpartition(".")[2]
    for argument in arguments.named_children if arguments else []:
        if argument.type == "object" and called not in declared:
            for option in argument.named_children:
                yield f"option {name} {_text(option.child_by_field_name('key') or option)}"
        if argument.type == "string" and name in ("addEventListener", "listen"):
            yield f"event {_text(argument)[1:-1]}"


def _of_style(text: str) -> Iterator[str]:
    rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    yield from _of_rules(rules)


def _of_rules(rules: list) -> Iterator[str]:
    for rule in rules:
        if rule.type == "error":
            raise ValueError(f"a style that cannot be parsed: {rule.message}")
        if rule.type == "at-rule":
            yield from _of_condition(rule)
            yield from _of_rules(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True))
        else:
            yield from _of_selector(rule.prelude)
            yield from _of_declarations(rule.content)


def _of_condition(rule) -> Iterator[str]:
    yield f"at {rule.at_keyword}"
    if rule.at_keyword == "supports":
        text = tinycss2.serialize(rule.prelude)
        yield from ["at supports selector"] if "selector(" in text else []
        return
    for token in rule.prelude:
        if token.type == "() block":
            names = [part.value for part in token.content if part.type == "ident"]
            yield f"at {rule.at_keyword} {names[0].removeprefix('min-').removeprefix('max-')}"


def _of_selector(tokens: list) -> Iterator[str]:
    for before, token in zip([None, *tokens], tokens, strict=False):
        is_pseudo = before is not None and before.type == "literal" and before.value == ":"
        if token.type == "ident" and is_pseudo:
            yield f"selector {token.value}"
        if token.type == "function":
            yield f"selector {token.name}"
            several = any(one.type == "literal" and one.value == "," for one in token.arguments)
            yield from ["selector not selector_list"] if token.name == "not" and several else []
            yield from _of_selector(token.arguments)


def _of_declarations(content: list) -> Iterator[str]:
    for one in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if one.type == "error":
            raise ValueError(f"a style that cannot be parsed: {one.message}")
        if one.type != "declaration" or one.name.startswith("--"):
            continue
        if not one.name.startswith("-"):
            yield f"property {one.name}"
        yield from _of_value(one.name, one.value)


def _of_value(name: str, tokens: list) -> Iterator[str]:
    for token in tokens:
        if token.type == "ident" and not token.value.startswith("-"):
            yield f"value {name} {token.value}"
        elif token.type == "dimension":
            yield f"unit {token.unit}"
        elif token.type == "function":
            yield f"function {token.name}"
            yield from _of_value(name, token.arguments)


TAG = re.compile(r"<([a-z][a-z0-9]*)((?:\s+[a-zA-Z-]+(?:=\"[^\"]*\")?)*)\s*/?>")
ATTRIBUTE = re.compile(r"\s([a-zA-Z-]+)(?:=\"[^\"]*\")?")


def _of_markup(text: str) -> Iterator[str]:
    # What a template fills in is no markup; what it puts in or leaves out is.
    for name, attributes in TAG.findall(re.sub(r"\{[{%#].*?[#%}]\}", "", text)):
        yield f"element {name}"
        for attribute in ATTRIBUTE.findall(attributes):
            if not attribute.startswith(("data-", "aria-")):
                yield f"attribute {name} {attribute}"


# --- since when -------------------------------------------------------------------------------------------------------


def look_up(feature: str, data: dict) -> list[float] | None:
    """The first versions of the families; None for what is no feature of a browser."""
    found = [versions for node in _nodes(feature, data) if (versions := _versions(node)) is not None]
    # A name that several interfaces have is as old as the oldest of them.
    return min(found, key=lambda versions: (max(versions), versions)) if found else None


#: Where a feature stands under another name than its own.
ELSEWHERE = {
    "property grid-gap": "css.properties.grid-template-columns",
    # Between the items of a flexible box it is younger than in a grid.
    "property gap": "css.properties.gap.flex_context",
    "property grid-column-gap": "css.properties.grid-template-columns",
    "function translate": "css.properties.transform",
    "function repeat": "css.properties.grid-template-columns.repeat",
    "function minmax": "css.properties.grid-template-columns.minmax",
    "function inset": "css.properties.clip-path",
    "function rgba": "css.types.color.rgb",
    "function rgb": "css.types.color.rgb",
    "function calc": "css.types.calc",
    "unit svh": "css.types.length.viewport_percentage_units_small",
    "unit fr": "css.types.flex",
}


def _nodes(feature: str, data: dict) -> Iterator[dict]:
    kind, *words = feature.split(" ")
    paths = {
        "syntax": [f"javascript.{words[0]}"],
        "property": [f"css.properties.{words[0]}"],
        "value": [f"css.properties.{'.'.join(words)}"],
        "function": [f"css.types.{words[0]}"],
        "unit": [f"css.types.length.{words[0]}"],
        "selector": [f"css.selectors.{'.'.join(words)}"],
        "at": [f"css.at-rules.{'.'.join(words)}"],
        "element": [f"html.elements.{words[0]}"],
        "attribute": [f"html.elements.{'.'.join(words)}", f"html.global_attributes.{words[-1]}"],
    }.get(kind, [])
    for path in [ELSEWHERE[feature]] if feature in ELSEWHERE else paths:
        yield from _at(data, path.split("."))
    interfaces = [*data["api"].items(), *data["javascript"]["builtins"].items()]
    if kind == "name" and feature not in OURS:
        interface, _dot, name = words[0].rpartition(".")
        own = [node for name, node in interfaces if name == interface]
        # What an interface does not have by itself it has from another.
        if not any(name in node or f"{name}_static" in node for node in own):
            yield from (node for title, node in interfaces if title == name)
            own = [node for _, node in interfaces]
        yield from (node[key] for node in own for key in (name, f"{name}_static") if key in node)
    elif kind == "event":
        yield from (node[f"{words[0]}_event"] for _, node in interfaces if f"{words[0]}_event" in node)
    elif kind == "option":
        called, option = words
        for _, node in [*interfaces, ("", data["api"])]:
            taken = node.get(called, {})
            for place in (taken, taken.get("options_parameter", {})):
                for name in (f"options_{option}_parameter", option):
                    yield from [place[name]] if isinstance(place.get(name), dict) else []


def _at(node: dict, path: list[str]) -> Iterator[dict]:
    for word in path:
        if word not in node:
            return
        node = node[word]
    yield node


def _versions(node: dict) -> list[float] | None:
    support = node.get("__compat", {}).get("support")
    return support and [_first(support.get(family.lower(), [])) for family in FAMILIES]


def _first(entries: list | dict | str) -> float:
    """The first version that has it by its own name and without being turned on."""
    apart = {"flags", "prefix", "alternative_name", "partial_implementation", "version_removed"}
    added = [
        entry["version_added"]
        for entry in (entries if isinstance(entries, list) else [entries])
        if isinstance(entry, dict) and not apart & set(entry)
    ]
    numbers = [float(one.removeprefix("≤")) for one in added if isinstance(one, str) and one != "preview"]
    return min(numbers, default=NEVER)


def read_data(folder: Path) -> dict:
    merged: dict = {}

    def merge(into: dict, more: dict) -> None:
        for name, value in more.items():
            if isinstance(value, dict) and isinstance(into.get(name), dict):
                merge(into[name], value)
            else:
                into[name] = value

    for top in ("api", "css", "html", "javascript"):
        for path in sorted((folder / top).rglob("*.json")):
            merge(merged, json.loads(path.read_text(encoding="utf-8")))
    return merged


# --- the table --------------------------------------------------------------------------------------------------------


def newer_than(versions: list[float] | None, named: dict[str, int]) -> bool:
    return versions is not None and any(
        version > named[family] for family, version in zip(FAMILIES, versions, strict=True)
    )


def table(used: dict[str, set[str]], support: dict[str, list[float] | None]) -> str:
    """One line for each feature in use that browsers did not have by the end of 2016."""
    lines = [f"| feature | {' | '.join(FAMILIES)} | in | without it |", "| --- | --- | --- | --- | --- | --- |"]
    old = 0
    for feature, files in used.items():
        versions = support[feature]
        if versions is None:
            continue
        if not newer_than(versions, COMMON):
            old += 1
            continue
        cells = ["never" if version == NEVER else f"{version:g}" for version in versions]
        places = ", ".join(sorted(Path(file).name for file in files))
        lines.append(f"| {feature} | {' | '.join(cells)} | {places} | {FINERY.get(feature, '')} |")
    named = ", ".join(f"{family} {version}" for family, version in COMMON.items())
    return "\n".join([*lines, "", f"{old} further features were there in {named}.", ""])


def page(text: str, content: str) -> str:
    """The page with its table replaced."""
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    return before + BEGIN + content + END + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="A checkout of mdn/browser-compat-data.")
    given = parser.parse_args()
    used = of_code()
    if given.data:
        data = read_data(given.data)
        support = {feature: look_up(feature, data) for feature in used}
        lines = (f"  {json.dumps(feature)}: {json.dumps(versions)}" for feature, versions in support.items())
        SUPPORT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    support = json.loads(SUPPORT.read_text(encoding="utf-8"))
    if missing := [feature for feature in used if feature not in support]:
        raise SystemExit(f"not in {SUPPORT.name}, so look them up with --data: {', '.join(missing)}")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), table(used, support)), encoding="utf-8")


if __name__ == "__main__":
    main()
