"""Runs AWS CLI commands, one JSON list of arguments a line, in the Python that has the CLI.

Answers each with its status, its output and its errors.
"""

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver


def run(cli, arguments):
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = cli.main(arguments)
    return status, output.getvalue(), errors.getvalue()


cli = create_clidriver()
for line in sys.stdin:
    print(json.dumps(run(cli, json.loads(line))), flush=True)
