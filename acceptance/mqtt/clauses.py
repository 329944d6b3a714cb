"""Which normative statements of the two standards a script holds the server to."""

from pathlib import Path

from mqtt_raw import V5, V311

VERSIONS = {"3.1.1": V311, "5": V5}
HERE = Path(__file__).resolve().parent
# Everything that is cited, and where.
CITED = {}


def clause(*statements):
    """Says which statements a script checks, as `5:MQTT-3.1.2-4`.

    A script that takes a `wire` runs once for each version that is named.
    """

    def cite(script):
        for statement in statements:
            CITED.setdefault(statement, []).append(script.__name__)
        script.versions = [
            version
            for name, version in VERSIONS.items()
            if any(statement.startswith(name + ":") for statement in statements)
        ]
        return script

    return cite


def in_dialect(*dialects):
    """Says that a script is true in these dialects alone."""

    def limit(script):
        script.dialects = dialects
        return script

    return limit


def statements(version):
    """The identifiers of all normative statements of a version."""
    return (HERE / f"clauses-{version}.txt").read_text().split()
