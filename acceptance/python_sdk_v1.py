"""AWSIoTPythonSDK, the Python SDK that old devices still run. Tests that import this are skipped
where it does not run."""

import logging

import pytest

try:
    from AWSIoTPythonSDK.exception import AWSIoTExceptions
    from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient, AWSIoTMQTTShadowClient
except (ImportError, AttributeError) as error:
    reason = f"AWSIoTPythonSDK does not run on this Python: {error}"
    pytest.skip(reason, allow_module_level=True)

__all__ = ["AWSIoTExceptions", "AWSIoTMQTTClient", "AWSIoTMQTTShadowClient"]

# It reports each step at its own levels on the root of its loggers.
logging.getLogger("AWSIoTPythonSDK").setLevel(logging.CRITICAL)
