"""What all scripts together cite of the two standards."""

from importlib import import_module

from clauses import CITED, HERE, VERSIONS, statements

CITED_MIN = 150


def cited():
    """Each version and statement that a script of this folder cites."""
    for path in sorted(HERE.glob("test_wire_*.py")):
        import_module(path.stem)
    return {tuple(statement.split(":")) for statement in CITED}


def test_scripts_cite_statements_that_exist():
    known = {(version, one) for version in VERSIONS for one in statements(version)}
    assert cited() - known == set()


def test_scripts_cite_enough_statements(capsys):
    found = cited()
    counts = {version: sum(one == version for one, _ in found) for version in VERSIONS}
    with capsys.disabled():
        print(f" {len(found)} statements are cited: {counts} ", end="")
    assert len(found) >= CITED_MIN
