"""A Lambda handler for awslambdaric, unmodified: it tells what it was told, or fails as asked."""

import os
import subprocess
import time


def handler(event, context):
    """Does what `event` says in `do`; without it, tells what came."""
    what = event.get("do") if isinstance(event, dict) else None
    print("asked to", what)
    if what == "raise":
        raise ValueError("no such pump")
    if what == "hang":
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        time.sleep(1000)
    if what == "crash":
        os.abort()
    if what == "print":
        for number in range(event["lines"]):
            print("line", number)
    return {
        "event": event,
        "function_arn": context.invoked_function_arn,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "memory_mb": context.memory_limit_in_mb,
        "pid": os.getpid(),
    }
